"""Makes the overview: one at a time per API process, however many requests there are.

State: the history that was read from Redis, the depths that were counted in Postgres, and the overview made of them,
good for a second. A store that is away leaves out its part.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.health.readiness import Readiness
from api.overview.cluster import COUNTED_UP_TO, NOTHING, QUEUES_SHOWN, QueueDepths, fullest, silent
from api.overview.history import Flows, OverviewHistory
from api.overview.schemas import ChannelOverview, ConsumerOverview, Health, Overview, QueueOverview, Totals
from sql.database import AWAY
from sql.store import Store
from tidings import __version__
from tidings.domain.errors import describe
from tidings.domain.message import Queue
from tidings.observability.reports import ConsumerReport, Depth

log = structlog.get_logger(__name__)

GOOD_SECONDS: Final = 0.9
"""How long an overview is reused: a little less than the second in which listeners get the next."""
RECENT_STEPS: Final = 6
"""Steps of the history in the later overviews of a stream; changes are in the last three."""


class Overviews:
    """The overviews of one API process."""

    def __init__(self, store: Store, redis: Redis, readiness: Readiness) -> None:
        self._store = store
        self._readiness = readiness
        self._history = OverviewHistory(redis)
        self._depths = QueueDepths(store.queues)
        self._turn = asyncio.Lock()
        self._made: Overview | None = None
        self._good_until = 0.0

    async def recent(self) -> Overview:
        """How it is now, with the last steps of the history."""
        async with self._turn:
            if self._made is None or time.monotonic() >= self._good_until:
                self._made = await self._make()
                self._good_until = time.monotonic() + GOOD_SECONDS
            return self._made

    async def whole(self) -> Overview:
        """How it is now, with the whole history."""
        return replace(await self.recent(), history=self._history.columns())

    async def _make(self) -> Overview:
        queues, depths, checks, heard = await asyncio.gather(
            self._queues(), self._counted(), self._readiness.all(), self._read()
        )
        flows = self._history.flows() if heard else None
        now = datetime.fromtimestamp(self._history.now, UTC)
        reports = self._history.cluster.reports if heard and self._history.cluster else ()
        return Overview(
            at=now,
            version=__version__,
            totals=_totals(depths, flows, reports if heard else None),
            channels=[] if flows is None else [ChannelOverview(name=n, flow=f) for n, f in flows.channels.items()],
            queues=[_queue(queue, depths, flows) for queue in fullest(queues, depths or {})],
            queues_left_out=max(len(queues) - QUEUES_SHOWN, 0),
            consumers=[_consumer(report, now) for report in reports],
            held=self._readiness.held,
            checks=checks,
            history=self._history.columns(RECENT_STEPS),
        )

    async def _queues(self) -> Sequence[Queue]:
        try:
            return await self._store.queues.list()
        except AWAY as error:
            log.info("an overview without queues", error=describe(error))
            return ()

    async def _counted(self) -> Mapping[str, Depth] | None:
        try:
            return await self._depths.get()
        except AWAY as error:
            log.info("queue depths unavailable", error=describe(error))
            return None

    async def _read(self) -> bool:
        try:
            await self._history.read()
        except (RedisError, OSError) as error:
            log.info("an overview without what consumers report", error=describe(error))
            return False
        return True


def _totals(
    depths: Mapping[str, Depth] | None, flows: Flows | None, reports: Sequence[ConsumerReport] | None
) -> Totals:
    counted = None if depths is None else list(depths.values())
    return Totals(
        waiting=None if counted is None else sum(_waiting(depth) for depth in counted),
        waiting_capped=counted is not None and any(_capped(depth) for depth in counted),
        due=None if counted is None else sum(min(depth.due, COUNTED_UP_TO) for depth in counted),
        processing=None if counted is None else sum(depth.processing for depth in counted),
        in_flight=None if reports is None else sum(report.in_flight for report in reports),
        flow=None if flows is None else flows.total,
    )


def _queue(queue: Queue, depths: Mapping[str, Depth] | None, flows: Flows | None) -> QueueOverview:
    depth = None if depths is None else depths.get(queue.name, NOTHING)
    return QueueOverview(
        name=queue.name,
        active=queue.active,
        interval_seconds=queue.interval_seconds,
        batch_size=queue.batch_size,
        last_claimed_at=queue.last_claimed_at,
        next_tick_at=queue.next_tick_at,
        waiting=None if depth is None else _waiting(depth),
        waiting_capped=depth is not None and _capped(depth),
        due=None if depth is None else min(depth.due, COUNTED_UP_TO),
        processing=None if depth is None else depth.processing,
        flow=None if flows is None else flows.queues.get(queue.name),
    )


def _waiting(depth: Depth) -> int:
    return min(depth.due + depth.later, COUNTED_UP_TO)


def _capped(depth: Depth) -> bool:
    return depth.due + depth.later > COUNTED_UP_TO


def _consumer(report: ConsumerReport, now: datetime) -> ConsumerOverview:
    reported = {name: getattr(report, name) for name in ConsumerOverview.__struct_fields__ if name != "health"}
    return ConsumerOverview(health=health(report, now), **reported)


def health(report: ConsumerReport, now: datetime) -> Health:
    """How a consumer is, by its last report and the age of that."""
    if silent(report, now):
        return Health.SILENT
    if report.stopping:
        return Health.STOPPING
    if report.postgres_away:
        return Health.POSTGRES_AWAY
    return Health.WELL if report.accepting else Health.FULL
