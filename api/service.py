"""One API process: listens until it is told to stop, then finishes what it has begun."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

import structlog
from aiohttp import web

from api.app import create_app
from tidings.errors import SettingsError
from tidings.settings import Settings

log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS: Final = 8.0
"""How long requests in flight may take when the process stops."""
BACKLOG: Final = 1024
"""Connections that wait to be accepted; the kernel may allow fewer."""


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until told to stop; then requests in flight are answered and group commits flushed.

    Raises SettingsError where it cannot listen, SchemaError where the database is at another version.
    """
    runner = web.AppRunner(
        create_app(settings),
        # A line for each message would cost more than the message.
        access_log=logging.getLogger("aiohttp.access") if settings.log_level.upper() == "DEBUG" else None,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    try:
        if await _unless(stop, runner.setup()):
            await _listen(runner, settings)
            await stop.wait()
    finally:
        await runner.cleanup()
    log.info("api has stopped")


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    site = web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG)
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(f"HOST, PORT: cannot listen: {error.strerror or error}") from error
    host, port, *_ = runner.addresses[0]
    log.info("api is ready", url=f"http://{f'[{host}]' if ':' in host else host}:{port}")


async def _unless(stop: asyncio.Event, starting: Coroutine[Any, Any, None]) -> bool:
    """Whether the start came to its end; it may wait for Postgres, and is given up when the process is to stop."""
    start, stopping = asyncio.ensure_future(starting), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            await start
            return True
        return False
    finally:
        stopping.cancel()
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
