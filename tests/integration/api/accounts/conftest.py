"""The API with an operator's key, somewhere to keep secrets, and passwords that cost little."""

from functools import partial

import msgspec
import pytest
from argon2.profiles import CHEAPEST

from api.accounts import services
from api.accounts.passwords import Passwords
from tests.integration.api.accounts.people import OPERATORS_KEY
from tidings.security.secretbox import new_key
from tidings.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings, api_key=OPERATORS_KEY, secret_key="signs tokens " * 4, secret_keys=(new_key(),)
    )


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "Passwords", partial(Passwords, CHEAPEST))
