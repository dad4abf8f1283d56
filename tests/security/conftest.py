"""The API with an operator's key, somewhere to keep secrets, and passwords that cost little; and what Ada has."""

from tests.integration.api.accounts.conftest import _cheap_passwords, settings
from tests.integration.api.accounts.test_isolation import belongings, session
from tests.integration.api.conftest import api, app

__all__ = ["_cheap_passwords", "api", "app", "belongings", "session", "settings"]
