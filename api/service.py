"""One API process: listens until it is stopped, then finishes what it has begun."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

import structlog
from aiohttp import web

from api.app import create_app
from api.http import body
from api.http.connections import Connection, Connections, Limits, limits
from api.http.faults import MAX_HEADER_BYTES, MAX_LINE_BYTES, RequestLog
from api.http.peer import PEERS
from api.http.resources import METRICS, STORE
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import SettingsError
from tidings.runtime.process import run_until
from tidings.settings import Settings

log = structlog.get_logger(__name__)
_requests = logging.getLogger("aiohttp.access")

SHUTDOWN_SECONDS: Final = 8.0
"""How long requests in flight may take when the process stops."""


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop` is set; then requests in flight are answered and group commits flushed.

    Raises SettingsError where it cannot listen, SchemaError where the database does not fit.
    """
    runner = web.AppRunner(create_app(settings), shutdown_timeout=SHUTDOWN_SECONDS)
    try:
        if await run_until(stop, _set_up(runner)):
            serving = runner.app[STORE].serving(stop)
            async with serving, listening(runner, settings, limits(settings)) as (host, port):
                log.info("api is ready", url=f"http://{f'[{host}]' if ':' in host else host}:{port}")
                await stop.wait()
    finally:
        await runner.cleanup()
    log.info("api has stopped")


@asynccontextmanager
async def listening(runner: web.AppRunner, settings: Settings, allowed: Limits) -> AsyncIterator[tuple[str, int]]:
    """Listens with a runner that is set up, and yields where. The runner's cleanup ends it.

    Raises SettingsError where it cannot.
    """
    connections = Connections(allowed, runner.app[PEERS], runner.app[METRICS])
    site = _Site(runner, settings, connections)
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(f"HOST, PORT: cannot listen: {error.strerror or error}") from error
    watching = asyncio.create_task(connections.watch(), name="connections")
    try:
        host, port, *_ = runner.addresses[0]
        yield host, port
    finally:
        await cancel_and_wait(watching)


class _Site(web.BaseSite):
    """A TCP socket whose connections are ours (api/http/connections.py)."""

    def __init__(self, runner: web.AppRunner, settings: Settings, connections: Connections) -> None:
        super().__init__(runner)
        self._settings = settings
        self._connections = connections

    @property
    def name(self) -> str:
        return f"http://{self._settings.host}:{self._settings.port}"

    async def start(self) -> None:
        await super().start()
        self._server = await asyncio.get_running_loop().create_server(
            self._connection,
            self._settings.host,
            self._settings.port,
            backlog=self._connections.allowed.backlog,
        )

    def _connection(self) -> Connection:
        return Connection(
            cast(web.Server, self._runner.server),
            self._connections,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._connections.allowed.idle,
            **body.SERVER,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            # A line for each message would cost more than the message.
            access_log=_requests if self._settings.log_level.upper() == "DEBUG" else None,
            access_log_class=RequestLog,
        )


async def _set_up(runner: web.AppRunner) -> bool:
    await runner.setup()
    return True
