"""Figures for Prometheus: everything that one process tells of itself, and the little server that shows it.

In play: one registry a process, all of it in memory and of this event loop, so that nothing read at a scrape needs a
lock. What must be asked for (does a store answer?) is asked with each scrape. A crash takes the counters with it, which
Prometheus expects of counters. docs/metrics.md lists every figure; a test holds it against the running processes.
"""

import asyncio
import os
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final, Generic, TypeVar

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
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from tidings import __version__
from tidings.domain.errors import SettingsError
from tidings.settings import Settings

# When a counter began: as many series again, which few read.
disable_created_metrics()  # type: ignore[no-untyped-call]

PATIENCE_SECONDS: Final = 2.0
"""How long a scrape waits for a store's answer."""

Look = Callable[[], Awaitable[None]]
"""Brings figures up to date that have to be asked for."""

M = TypeVar("M", bound=MetricWrapperBase)


class Children(dict[tuple[str, ...], M], Generic[M]):
    """The children of a metric by their labels: looked up in 0.1 µs, where `labels()` takes a lock and ten times that.

    Those that are `known` are there from the start, at 0: a rate is seen only from the second value on.
    """

    def __init__(self, metric: M, known: Iterable[tuple[str, ...]] = ()) -> None:
        super().__init__()
        self._metric: M = metric
        for labels in known:
            self[labels] = metric.labels(*labels)

    def __missing__(self, labels: tuple[str, ...]) -> M:
        child = self[labels] = self._metric.labels(*labels)
        return child


class Distribution(Collector):
    """A histogram by labels that costs 0.2 µs a value: prometheus_client's own, with its locks, takes 1.5."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._bounds = bounds
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        registry.register(self)

    def observe(self, labels: tuple[str, ...], values: Sequence[float]) -> None:
        """Counts a group of values; a bound is in the class below it."""
        counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
        for value in values:
            counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + sum(values)

    def collect(self) -> Iterable[Metric]:
        """The counts so far, summed up from below as Prometheus wants them."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for labels, counts in self._counts.items():
            family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), self._sums[labels])
        yield family


class Figures:
    """All figures of one process. `process` is its kind (api, producer, consumer), `name` its own among its kind."""

    def __init__(self, process: str, *, name: str) -> None:
        self.registry = CollectorRegistry()
        self._looks: list[Look] = []
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        info = Info("tidings_process", "What this process is; always 1.", registry=self.registry)
        info.info({"process": process, "name": name, "version": __version__})

    def look_first(self, look: Look) -> None:
        """Has this done before each scrape is answered."""
        self._looks.append(look)

    def read(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Adds figures that others keep, and that are read off at each scrape."""
        self.registry.register(_Reading(collect))

    def watch_stores(self, pings: Mapping[str, Callable[[], Awaitable[object]]]) -> None:
        """Adds whether these stores answer this process."""
        up = Gauge("tidings_store_up", "Whether the store answers this process.", ["store"], registry=self.registry)

        async def look() -> None:
            answers = await asyncio.gather(*(_answers(ping) for ping in pings.values()))
            for store, answer in zip(pings, answers, strict=True):
                up.labels(store).set(answer)

        self.look_first(look)

    async def exposition(self, accept: str = "") -> web.Response:
        """The figures as they are now, in the format that the header `Accept` asks for."""
        await asyncio.gather(*(look() for look in self._looks))
        encode, content_type = choose_encoder(accept)
        return web.Response(body=encode(self.registry), headers={hdrs.CONTENT_TYPE: content_type})


class _Reading(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


class MetricsServer:
    """Shows figures at `/metrics` of METRICS_PORT to whoever reaches it; `/health/live` says that the process lives."""

    def __init__(self, figures: Figures, settings: Settings) -> None:
        self._figures = figures
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
        """Answers no more."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        return await self._figures.exposition(request.headers.get(hdrs.ACCEPT, ""))


async def _live(_request: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def _answers(ping: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ping()
    except Exception:  # noqa: BLE001  whatever it raises, it is no answer
        return False
    return True
