"""The API with an operator's key and cheap passwords, a store and a client of Redis, on the test's own databases."""

from tests.integration.api.accounts.conftest import _cheap_passwords, settings
from tests.integration.api.conftest import api, app
from tests.integration.conftest import redis, store

__all__ = ["_cheap_passwords", "api", "app", "redis", "settings", "store"]
