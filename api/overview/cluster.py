"""The cluster's state: who is there to claim and deliver, as Redis knows it, and what waits in the queues.

Queue depths are counted rarely: at most every 2 s, and at most a twentieth of the time. Millions of waiting rows are
not counted either: a claim lane (a queue at a priority) is counted up to 100,000, from an index that holds waiting
messages only. So the longest count costs as many index entries as there are claim lanes with so many.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import structlog
from redis.asyncio import Redis

from sql.queues import QueueStore
from tidings.domain.message import Queue
from tidings.observability.reports import REPORT_LIFE_SECONDS, SILENT_SECONDS, ConsumerReport, Depth
from tidings.redis import keys

log = structlog.get_logger(__name__)

_report: Final = msgspec.json.Decoder(ConsumerReport)


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """The producer's heartbeat and the consumers' reports."""

    now: datetime
    """By Redis's clock, as are the times of the reports."""
    producer: bool
    """Whether one is alive."""
    reports: Sequence[ConsumerReport]
    """The consumers that reported within the last minute, by name."""

    @property
    def alive(self) -> list[ConsumerReport]:
        """Those that reported within the last seconds."""
        return [report for report in self.reports if not silent(report, self.now)]


def silent(report: ConsumerReport, now: datetime) -> bool:
    """Whether the consumer should have reported again."""
    return now - report.reported_at > timedelta(seconds=SILENT_SECONDS)


async def read_cluster(redis: Redis) -> ClusterState:
    """One round trip. Raises redis.RedisError where Redis is away."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.exists(keys.PRODUCER_HEARTBEAT)
        pipe.hgetall(keys.CONSUMERS)
        (seconds, microseconds), producer, entries = await pipe.execute()
    now = datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
    return ClusterState(now=now, producer=bool(producer), reports=_recent(entries.values(), now))


def _recent(entries: Iterable[Any], now: datetime) -> list[ConsumerReport]:
    oldest = now - timedelta(seconds=REPORT_LIFE_SECONDS)
    reports = []
    for entry in entries:
        try:
            report = _report.decode(entry)
        except msgspec.MsgspecError as error:
            # Of another version, or not ours.
            log.info("a report that cannot be read", error=str(error))
            continue
        if report.reported_at >= oldest:
            reports.append(report)
    return sorted(reports, key=lambda report: report.name)


COUNTED_UP_TO: Final = 100_000
EVERY_SECONDS: Final = 2.0
REST: Final = 20
"""The pause after a count, in times of how long it took."""


QUEUES_SHOWN: Final = 100
"""Queues that an overview and the metrics name, however many there are."""
NOTHING: Final = Depth(0, 0, 0)


def fullest(queues: Sequence[Queue], depths: Mapping[str, Depth]) -> list[Queue]:
    """The queues to show where not all can be: those that hold most, by name."""
    if len(queues) <= QUEUES_SHOWN:
        return list(queues)

    def held(queue: Queue) -> int:
        depth = depths.get(queue.name, NOTHING)
        return depth.due + depth.later + depth.processing

    return sorted(heapq.nlargest(QUEUES_SHOWN, queues, key=held), key=lambda queue: queue.name)


class QueueDepths:
    """Counts for one API process."""

    def __init__(self, store: QueueStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: Mapping[str, Depth] = {}
        self._good_until = float("-inf")

    async def get(self) -> Mapping[str, Depth]:
        """By queue. Raises one of AWAY where Postgres is away."""
        began = self._clock()
        if began >= self._good_until:
            self._known = await self._store.depths(limit=COUNTED_UP_TO + 1)
            ended = self._clock()
            self._good_until = ended + max(EVERY_SECONDS, REST * (ended - began))
        return self._known
