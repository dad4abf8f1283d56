"""What the API exposes to Prometheus: its requests, and the state of the whole deployment.

The latter is asked for at a scrape: whether producers and consumers are alive (Redis and one index probe), how late the
oldest message is, and what the queues hold, which is counted rarely however many scrapes there are
(api/overview/cluster.py). Every API process exposes the same of them, so a query takes the `max` over processes.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.health import readiness
from api.health.readiness import Readiness
from api.overview.cluster import NOTHING, QueueDepths, fullest
from sql.database import AWAY
from sql.store import Store
from tidings.domain.errors import describe
from tidings.domain.message import Queue
from tidings.domain.states import HeldReason
from tidings.observability import catalogue
from tidings.observability.instruments import OTHERS
from tidings.observability.metrics import Registry
from tidings.observability.reports import Depth, Held

log = structlog.get_logger(__name__)

PATIENCE_SECONDS: Final = 5.0
"""Limit for all checks of one scrape; Prometheus times out after 10 s."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SHED: Final = ("head", "body", "unread", "connections", "per_address")
"""Why a connection is closed (api/http/connections.py)."""
UNMATCHED: Final = "unmatched"
"""The label of requests to unknown paths, whatever the path."""


class ApiMetrics:
    def __init__(self, name: str) -> None:
        self.registry = Registry("api", name=name)
        self._requests = catalogue.API_REQUESTS.counters(self.registry)
        self._seconds = catalogue.API_REQUEST_SECONDS.histogram(self.registry)
        self._shed = catalogue.API_CONNECTIONS_SHED.counters(self.registry, ((reason,) for reason in SHED))
        self.receipts = catalogue.RECEIPTS.counters(self.registry)
        """By where they came from and what became of them."""
        self.receipts_waiting: Callable[[], int] = int
        self.connections = 0
        """Open ones of clients."""

    def shed(self, reason: str) -> None:
        """Counts a connection that was closed."""
        self._shed[(reason,)].inc()

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
        work = Work(store, doctor, QueueDepths(store.queues), lambda: self.connections, self.receipts_waiting)
        self.registry.before_scrape(work.poll)
        self.registry.register(work)

    def _count(self, request: web.Request, response: web.StreamResponse, began: float) -> None:
        resource = request.match_info.route.resource
        route = UNMATCHED if resource is None else resource.canonical
        method = request.method if request.method in METHODS else "other"
        self._requests[method, route, str(response.status)].inc()
        # How long a stream lasts says nothing.
        if isinstance(response, web.Response):
            self._seconds.observe((method, route), (time.perf_counter() - began,))


class Work(Collector):
    """The state of the deployment at the last poll. What is unknown because a store is away is NaN."""

    def __init__(
        self,
        store: Store,
        doctor: Readiness,
        depths: QueueDepths,
        connections: Callable[[], int] = int,
        receipts: Callable[[], int] = int,
    ) -> None:
        self._store = store
        self._doctor = doctor
        self._counted = depths
        self._connections = connections
        self._receipts = receipts
        self._checks: dict[str, str] = {}
        self._queues: list[Queue] = []
        self._shown: list[Queue] = []
        self._depths: Mapping[str, Depth] | None = None
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
            log.warning("store metrics unavailable", error=describe(error))
            self._depths, self._behind = None, math.nan
        else:
            self._behind = 0.0 if next_due is None else max(0.0, -next_due)
        self._shown = fullest(self._queues, self._depths or {})

    def collect(self) -> Iterable[Metric]:
        """The metrics of the last poll."""
        yield catalogue.API_CONNECTIONS.read(self._connections())
        yield catalogue.RECEIPTS_WAITING.read(self._receipts())
        yield catalogue.MESSAGES_ACCEPTED.read(self._store.messages.kept)
        yield catalogue.STORE_UP.read({(store,): self._is_well(store) for store in ("postgres", "redis")})
        yield catalogue.PRODUCER_UP.read(self._is_well("producer"))
        yield catalogue.CONSUMERS_UP.read(self._is_well("consumers"))
        yield catalogue.PAUSED.read(1 - self._is_well("claims"))
        yield catalogue.BEHIND_SECONDS.read(self._behind)
        yield catalogue.MESSAGES_HELD.read(self._held(lambda held: held.messages))
        yield catalogue.HELD_SECONDS.read(self._held(lambda held: held.seconds))
        yield catalogue.HOLDS.read(self._holds())
        yield catalogue.MESSAGES_WAITING.read(self._counts(lambda depth: depth.due + depth.later))
        yield catalogue.MESSAGES_DUE.read(self._counts(lambda depth: depth.due))
        yield catalogue.MESSAGES_PROCESSING.read(self._counts(lambda depth: depth.processing))
        yield catalogue.QUEUE_ACTIVE.read({(queue.name,): queue.active for queue in self._shown})
        yield catalogue.QUEUE_INTERVAL_SECONDS.read({(queue.name,): queue.interval_seconds for queue in self._shown})

    def _is_well(self, check: str) -> float:
        found = self._checks.get(check, readiness.UNKNOWN)
        return math.nan if found == readiness.UNKNOWN else float(found == readiness.OK)

    def _held(self, of: Callable[[Held], float]) -> dict[tuple[str, ...], float]:
        report = self._doctor.held
        if report is None:
            return {(reason,): math.nan for reason in HeldReason}
        counted: dict[tuple[str, ...], float] = {(reason,): 0.0 for reason in HeldReason}
        return counted | {(held.reason,): of(held) for held in report.messages}

    def _holds(self) -> dict[tuple[str, ...], float]:
        report = self._doctor.held
        found = Counter(() if report is None else (hold.reason for hold in report.holds))
        return {
            (reason,): math.nan if report is None else found[reason]
            for reason in (HeldReason.ENDPOINT_DISABLED, HeldReason.GATEWAY)
        }

    def _counts(self, of: Callable[[Depth], int]) -> dict[tuple[str, ...], float]:
        counted: dict[tuple[str, ...], float] = {
            (queue.name,): math.nan if self._depths is None else of(self._depths.get(queue.name, NOTHING))
            for queue in self._shown
        }
        if len(self._queues) > len(self._shown):
            shown = {queue.name for queue in self._shown}
            others = (of(depth) for name, depth in (self._depths or {}).items() if name not in shown)
            counted[OTHERS,] = math.nan if self._depths is None else sum(others)
        return counted
