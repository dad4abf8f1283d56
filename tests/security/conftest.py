"""An API on a real socket and the test's own stores, open to registration, with the operator's key; and one that
listens as its process does, with our own connections, limits and error pages."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from api.app import create_app
from api.http.connections import Limits
from api.service import listening
from tests.integration.api.accounts.conftest import _cheap_passwords
from tests.integration.api.accounts.people import OPERATORS_KEY
from tests.integration.api.accounts.test_isolation import belongings, session
from tests.integration.api.client import Api
from tidings.security.secretbox import new_key
from tidings.settings import Settings

Listen = Callable[..., AbstractAsyncContextManager[tuple[str, int]]]

__all__ = ["_cheap_passwords", "belongings", "session"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        api_key=OPERATORS_KEY,
        secret_key="signs tokens " * 4,
        secret_keys=(new_key(),),
        registration="open",
        # It takes an account to hand in mail.
        smtp_url="smtp://mail%40example.com:secret@mail.example.com",
        smtp_open_to="everyone",
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


@pytest.fixture
def listen(settings: Settings) -> Listen:
    """Serves this machine without a key, with these limits and settings, on a free port until the block ends."""

    @asynccontextmanager
    async def serving(allowed: Limits | None = None, **changed: Any) -> AsyncIterator[tuple[str, int]]:
        given = msgspec.structs.replace(settings, **{"api_key": "", **changed})
        runner = web.AppRunner(create_app(given), shutdown_timeout=1.0)
        await runner.setup()
        try:
            async with listening(runner, given, allowed or Limits()) as address:
                yield address
        finally:
            await runner.cleanup()

    return serving
