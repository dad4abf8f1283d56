"""What the API exposes to Prometheus: its requests, and the state of the whole deployment.

The latter is asked for at a scrape: whether producers and consumers are alive (Redis and one index probe), how late the
oldest message is, and what the queues hold, which is counted rarely however many scrapes there are
(api/overview/cluster.py). Every API process exposes the same of them, so a query takes the `max` over processes.
"""

import asyncio
import math
import time
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from api.health import readiness
from api.health.readiness import Readiness
from api.overview.cluster import QueueDepths
from sql.database import AWAY
from sql.store import Store
from tidings.domain.errors import describe
from tidings.domain.message import Queue
from tidings.observability.metrics import Children, Figures
from tidings.observability.reports import Depth

log = structlog.get_logger(__name__)

PATIENCE_SECONDS: Final = 5.0
"""Limit for all checks of one scrape; Prometheus times out after 10 s."""

SECONDS_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
"""The label of requests to unknown paths, whatever the path."""


class ApiMetrics:
    """The metrics of one API process."""

    def __init__(self, name: str) -> None:
        self.metrics = Figures("api", name=name)
        registry = self.metrics.registry
        self._requests = Children(
            Counter("tidings_api_requests", "Requests answered.", ["method", "route", "status"], registry=registry)
        )
        self._seconds = Children(
            Histogram(
                "tidings_api_request_seconds",
                "From the head of a request to its answer.",
                ["method", "route"],
                buckets=SECONDS_BOUNDS,
                registry=registry,
            )
        )

    @web.middleware
    async def counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware; it must be the outermost."""
        began = time.perf_counter()
        try:
            response = await handler(request)
        except web.HTTPException as answer:
            self._count(request, answer, began)
            raise
        self._count(request, response, began)
        return response

    def watch(self, store: Store, doctor: Readiness) -> None:
        """Adds the metrics that need the stores."""
        work = Work(store, doctor, QueueDepths(store.queues))
        self.metrics.look_first(work.poll)
        self.metrics.read(work.collect)

    def _count(self, request: web.Request, response: web.StreamResponse, began: float) -> None:
        resource = request.match_info.route.resource
        route = UNMATCHED if resource is None else resource.canonical
        method = request.method if request.method in METHODS else "other"
        self._requests[method, route, str(response.status)].inc()
        # How long a stream lasts says nothing.
        if isinstance(response, web.Response):
            self._seconds[method, route].observe(time.perf_counter() - began)


class Work:
    """The state of the deployment at the last poll. What is unknown because a store is away is NaN."""

    def __init__(self, store: Store, doctor: Readiness, depths: QueueDepths) -> None:
        self._store = store
        self._doctor = doctor
        self._counted = depths
        self._checks: dict[str, str] = {}
        self._queues: list[Queue] = []
        self._depths: Mapping[str, Depth] = {}
        self._behind = math.nan

    async def poll(self) -> None:
        """Asks the stores; one that is away is a warning, and no reason to fail."""
        self._checks = await self._doctor.all()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._queues = await self._store.queues.list()
                self._depths = await self._counted.get()
                next_due = await self._store.batches.next_due()
        except AWAY as error:
            log.warning("metrics without what the store holds", error=describe(error))
            self._depths, self._behind = {}, math.nan
        else:
            self._behind = 0.0 if next_due is None else max(0.0, -next_due)

    def collect(self) -> Iterable[Metric]:
        """The metrics of the last poll."""
        yield CounterMetricFamily(
            "tidings_messages_accepted", "Messages that were kept for delivery.", self._store.messages.kept
        )
        up = GaugeMetricFamily("tidings_store_up", "Whether the store answers this process.", labels=["store"])
        up.add_metric(["postgres"], self._is_well("postgres"))
        up.add_metric(["redis"], self._is_well("redis"))
        yield up
        yield GaugeMetricFamily("tidings_producer_up", "Whether a producer is alive.", self._is_well("producer"))
        yield GaugeMetricFamily("tidings_consumers_up", "Whether a consumer is alive.", self._is_well("consumers"))
        yield GaugeMetricFamily(
            "tidings_behind_seconds",
            "For how long the message that has waited longest could have been claimed; 0 when there is none.",
            self._behind,
        )
        yield from self._of_queues()

    def _is_well(self, check: str) -> float:
        found = self._checks.get(check, readiness.UNKNOWN)
        return math.nan if found == readiness.UNKNOWN else float(found == readiness.OK)

    def _of_queues(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily(
            "tidings_messages_waiting", "Messages that wait, for their due time or for room.", labels=["queue"]
        )
        due = GaugeMetricFamily("tidings_messages_due", "Those of them that could go now.", labels=["queue"])
        processing = GaugeMetricFamily(
            "tidings_messages_processing", "Messages in batches, on their way.", labels=["queue"]
        )
        active = GaugeMetricFamily("tidings_queue_active", "Whether the queue is on.", labels=["queue"])
        interval = GaugeMetricFamily(
            "tidings_queue_interval_seconds", "The pace of the queue; 0: as soon as due.", labels=["queue"]
        )
        for queue in self._queues:
            label = [queue.name]
            active.add_metric(label, queue.active)
            interval.add_metric(label, queue.interval_seconds)
            depth = self._depths.get(queue.name)
            waiting.add_metric(label, math.nan if depth is None else depth.due + depth.later)
            due.add_metric(label, math.nan if depth is None else depth.due)
            processing.add_metric(label, math.nan if depth is None else depth.processing)
        return waiting, due, processing, active, interval
