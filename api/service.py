"""One API process: listens until it is stopped, then finishes what it has begun."""

import asyncio
import logging
from typing import Final

import structlog
from aiohttp import web

from api.app import create_app
from api.http import body
from tidings.domain.errors import SettingsError
from tidings.runtime.process import run_until
from tidings.settings import Settings

log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS: Final = 8.0
"""How long requests in flight may take when the process stops."""
BACKLOG: Final = 1024
"""Connections that wait to be accepted; the kernel may allow fewer."""


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop` is set; then requests in flight are answered and group commits flushed.

    Raises SettingsError where it cannot listen, SchemaError where the database is at another version.
    """
    runner = web.AppRunner(
        create_app(settings),
        # A line for each message would cost more than the message.
        access_log=logging.getLogger("aiohttp.access") if settings.log_level.upper() == "DEBUG" else None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        **body.SERVER,
    )
    try:
        if await run_until(stop, _set_up(runner)):
            await _listen(runner, settings)
            await stop.wait()
    finally:
        await runner.cleanup()
    log.info("api has stopped")


async def _set_up(runner: web.AppRunner) -> bool:
    await runner.setup()
    return True


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    site = web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG)
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(f"HOST, PORT: cannot listen: {error.strerror or error}") from error
    host, port, *_ = runner.addresses[0]
    log.info("api is ready", url=f"http://{f'[{host}]' if ':' in host else host}:{port}")
