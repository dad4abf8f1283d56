"""An API that listens as its process does: with our own connections, limits and error pages."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from api.app import create_app
from api.http.connections import Limits
from api.service import listening
from tidings.settings import Settings

Listen = Callable[..., AbstractAsyncContextManager[tuple[str, int]]]


@pytest.fixture
def listen(settings: Settings) -> Listen:
    """Serves with these limits and settings on a free port, until the block ends."""

    @asynccontextmanager
    async def serving(allowed: Limits | None = None, **changed: Any) -> AsyncIterator[tuple[str, int]]:
        given = msgspec.structs.replace(settings, **changed)
        app = create_app(given)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        try:
            async with listening(runner, given, allowed or Limits()) as address:
                yield address
        finally:
            await runner.cleanup()

    return serving
