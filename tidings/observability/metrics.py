"""Metrics for Prometheus: the registry of one process, and the small server that shows it.

In play: one registry a process, all of it in memory and of this event loop, so that nothing read at a scrape needs a
lock. What must be asked for (does a store respond?) is asked at each scrape. A crash loses the counters, which
Prometheus expects of counters. `catalogue.py` declares every metric; a test holds it against the running processes.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import hdrs, web
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from tidings import __version__
from tidings.domain.clock import CLOCK
from tidings.domain.errors import SettingsError
from tidings.observability.catalogue import CLOCK_AHEAD_SECONDS, PROCESS_INFO, STORE_UP
from tidings.settings import Settings

# The time at which a counter began: twice as many series, which few read.
disable_created_metrics()  # type: ignore[no-untyped-call]

PATIENCE_SECONDS: Final = 2.0
"""How long a scrape waits for a store's response."""

Refresh = Callable[[], Awaitable[None]]
"""Brings metrics up to date that have to be asked for."""


class Registry(CollectorRegistry):
    """All metrics of one process. `process` is its kind (api, producer, consumer), `name` its own among its kind."""

    def __init__(self, process: str, *, name: str) -> None:
        super().__init__()
        self._refreshes: list[Refresh] = []
        ProcessCollector(registry=self)
        PlatformCollector(registry=self)
        GCCollector(registry=self)
        info = Info(PROCESS_INFO.name.removesuffix("_info"), PROCESS_INFO.help, registry=self)
        info.info({"process": process, "name": name, "version": __version__})
        ahead = Gauge(CLOCK_AHEAD_SECONDS.name, CLOCK_AHEAD_SECONDS.help, registry=self)
        ahead.set_function(CLOCK.machine_ahead)

    def before_scrape(self, refresh: Refresh) -> None:
        """Has this done before each scrape."""
        self._refreshes.append(refresh)

    def watch_stores(self, pings: Mapping[str, Callable[[], Awaitable[object]]]) -> None:
        """Adds whether these stores respond to this process."""
        up = Gauge(STORE_UP.name, STORE_UP.help, STORE_UP.labels, registry=self)

        async def refresh() -> None:
            responses = await asyncio.gather(*(_responds(ping) for ping in pings.values()))
            for store, response in zip(pings, responses, strict=True):
                up.labels(store).set(response)

        self.before_scrape(refresh)

    async def exposition(self, accept: str = "") -> web.Response:
        """The metrics as they are now, in the format that the header `Accept` asks for."""
        await asyncio.gather(*(refresh() for refresh in self._refreshes))
        encode, content_type = choose_encoder(accept)
        return web.Response(body=encode(self), headers={hdrs.CONTENT_TYPE: content_type})


class MetricsServer:
    """Shows metrics at `/metrics` of METRICS_PORT, without credentials; `/health/live` says that the process lives."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._host = settings.metrics_host
        self._port = settings.metrics_port
        app = web.Application()
        app.add_routes([web.get("/metrics", self._metrics), web.get("/health/live", _live)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=PATIENCE_SECONDS)

    async def start(self) -> None:
        """Listens, unless METRICS_PORT is 0. Raises SettingsError where it cannot."""
        if not self._port:
            return
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else error
            raise SettingsError(f"METRICS_PORT: cannot listen on {self._host}:{self._port}: {reason}") from error

    async def stop(self) -> None:
        """Closes the port."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        return await self._registry.exposition(request.headers.get(hdrs.ACCEPT, ""))


async def _live(_request: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def _responds(ping: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ping()
    except Exception:  # noqa: BLE001  whatever it raises, the store does not respond
        return False
    return True
