"""The API as the tests of accounts have it: with an operator's key, and passwords that cost little."""

from tests.integration.api.accounts.conftest import _cheap_passwords, settings

__all__ = ["_cheap_passwords", "settings"]
