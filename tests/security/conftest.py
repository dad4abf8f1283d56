"""An API on a real socket and the test's own stores, open to registration, with the operator's key."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from api.app import create_app
from tests.integration.api.accounts.conftest import _cheap_passwords
from tests.integration.api.accounts.people import OPERATORS_KEY
from tests.integration.api.accounts.test_isolation import belongings, session
from tests.integration.api.client import Api
from tidings.security.secretbox import new_key
from tidings.settings import Settings

__all__ = ["_cheap_passwords", "belongings", "session"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        api_key=OPERATORS_KEY,
        secret_key="signs tokens " * 4,
        secret_keys=(new_key(),),
        registration="open",
        logins_per_email=1_000_000,
        logins_per_address=1_000_000,
    )


@pytest.fixture
def app(settings: Settings) -> web.Application:
    return create_app(settings)


@pytest_asyncio.fixture
async def api(app: web.Application) -> AsyncIterator[Api]:
    async with Api.serving(app) as client:
        yield client
