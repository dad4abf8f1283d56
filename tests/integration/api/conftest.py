"""The API on a real socket and the test's own stores."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from api.app import create_app
from tests.integration.api.client import Api
from tidings.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an account that everybody's mail may go by: it takes one to hand in mail."""
    return msgspec.structs.replace(
        settings, smtp_url="smtp://mail%40example.com:secret@mail.example.com", smtp_open_to="everyone"
    )


@pytest.fixture
def app(settings: Settings) -> web.Application:
    return create_app(settings)


@pytest_asyncio.fixture
async def api(app: web.Application) -> AsyncIterator[Api]:
    async with Api.serving(app) as client:
        yield client
