"""An API that can seal secrets, with accounts, and endpoints on this machine."""

import msgspec
import pytest

from tests.integration.api.accounts.people import OPERATORS_KEY
from tidings.security.secretbox import new_key
from tidings.settings import Settings

KEY = new_key()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        api_key=OPERATORS_KEY,
        secret_key="signs tokens " * 4,
        secret_keys=(KEY,),
        webhook_allow_cidrs=("127.0.0.0/8",),
    )
