"""The last hour, put together from what consumers and producers left in Redis.

In memory: a merged bucket for each 5 s that this process has read. A read takes the last few buckets again, which are
still being written, and whatever is missing; after a pause that is the whole hour, in a few round trips.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

import msgspec
import structlog
from redis.asyncio import Redis

from api.overview.cluster import ClusterState, read_cluster
from api.overview.schemas import Counts, Flow, History
from tidings.domain.clock import CLOCK
from tidings.observability.reports import (
    BUCKET_SECONDS,
    HISTORY_BUCKETS,
    BucketReport,
    Depth,
    Histogram,
    Tally,
    bucket_of,
)
from tidings.redis import keys

log = structlog.get_logger(__name__)

OPEN_BUCKETS: Final = 3
"""Buckets that may still change: this one and those that a consumer keeps while Redis does not take them."""
BUCKETS_AT_ONCE: Final = 120
"""Buckets that one round trip reads."""
BUSIEST: Final = 12
"""Channels, and queues, that have columns of their own."""
LATELY_BUCKETS: Final = 12
"""What quantiles of now are computed from."""

_reports: Final = msgspec.msgpack.Decoder(BucketReport)
_depths: Final = msgspec.msgpack.Decoder(dict[str, Depth])


T = TypeVar("T")

Quantiles: TypeAlias = tuple[float | None, float | None, float | None, float | None]
"""Lateness, then duration, at 0.5 and 0.99."""


class Bucket(msgspec.Struct):
    """5 s of all consumers together."""

    in_flight: int = 0
    tallies: dict[tuple[str, str], Tally] = {}
    """By channel and queue."""
    depths: Mapping[str, Depth] | None = None
    quantiles: Quantiles = (None, None, None, None)


class Flows(msgspec.Struct, frozen=True):
    """What is being done, by channel and by queue; those in which nothing happened lately are left out."""

    total: Flow
    channels: dict[str, Flow]
    queues: dict[str, Flow]


class OverviewHistory:
    """Reads and keeps the last hour."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._buckets: dict[int, Bucket] = {}
        self._ahead = CLOCK.seconds() - time.monotonic()
        """Seconds by which Redis's clock is ahead of our monotonic one."""
        self._read_to: int | None = None
        self.cluster: ClusterState | None = None
        """Who was there when Redis was last read."""

    @property
    def now(self) -> float:
        """Unix time by Redis's clock."""
        return time.monotonic() + self._ahead

    async def read(self) -> None:
        """Brings everything up to date. Raises redis.RedisError where Redis is away."""
        self.cluster = await read_cluster(self._redis)
        self._ahead = self.cluster.now.timestamp() - time.monotonic()
        present = bucket_of(self.now)
        oldest = present - HISTORY_BUCKETS + 1
        first = oldest if self._read_to is None else max(self._read_to - OPEN_BUCKETS + 1, oldest)
        for start in range(first, present + 1, BUCKETS_AT_ONCE):
            await self._read_buckets(range(start, min(start + BUCKETS_AT_ONCE, present + 1)))
        self._read_to = present
        for bucket in [bucket for bucket in self._buckets if bucket < oldest]:
            del self._buckets[bucket]

    def flows(self) -> Flows:
        """What is being done now."""
        now = self.now
        present = bucket_of(now)
        # The present bucket has just begun: with the one before, it is always 5 to 10 s.
        seconds = BUCKET_SECONDS + now % BUCKET_SECONDS
        lately = _Sums()
        recent = _Sums()
        for number in range(present - LATELY_BUCKETS + 1, present + 1):
            for key, tally in self._bucket(number).tallies.items():
                lately.add(key, tally)
                if number >= present - 1:
                    recent.add(key, tally)
        return Flows(
            total=_flow(recent.total, lately.total, seconds),
            channels={n: _flow(recent.channels[n], lately.channels[n], seconds) for n in sorted(lately.channels)},
            queues={n: _flow(recent.queues[n], lately.queues[n], seconds) for n in sorted(lately.queues)},
        )

    def columns(self, steps: int = HISTORY_BUCKETS) -> History:
        """The last steps of the history."""
        present = bucket_of(self.now)
        numbers = range(present - steps + 1, present + 1)
        buckets = [self._bucket(number) for number in numbers]
        total = _empty(steps)
        channels = {name: _empty(steps) for name in self._busiest(lambda channel, _queue: channel)}
        queues = {name: _empty(steps) for name in self._busiest(lambda _channel, queue: queue)}
        for step, bucket in enumerate(buckets):
            for (channel, queue), tally in bucket.tallies.items():
                for counts in (total, channels.get(channel), queues.get(queue)):
                    if counts is not None:
                        counts.sent[step] += tally.sent
                        counts.failed[step] += tally.failed
                        counts.cancelled[step] += tally.cancelled
        depths = [None if bucket.depths is None else list(bucket.depths.values()) for bucket in buckets]
        lateness_p50, lateness_p99, duration_p50, duration_p99 = zip(*(b.quantiles for b in buckets), strict=True)
        return History(
            step_seconds=BUCKET_SECONDS,
            at=[number * BUCKET_SECONDS for number in numbers],
            sent=total.sent,
            failed=total.failed,
            cancelled=total.cancelled,
            in_flight=[bucket.in_flight for bucket in buckets],
            waiting=[None if d is None else sum(depth.due + depth.later for depth in d) for d in depths],
            due=[None if d is None else sum(depth.due for depth in d) for d in depths],
            lateness_p50=lateness_p50,
            lateness_p99=lateness_p99,
            duration_p50=duration_p50,
            duration_p99=duration_p99,
            channels=channels,
            queues=queues,
        )

    def _busiest(self, name_of: Callable[[str, str], str]) -> list[str]:
        """The names of those with the most outcomes in the hour."""
        done: Counter[str] = Counter()
        for bucket in self._buckets.values():
            for key, tally in bucket.tallies.items():
                done[name_of(*key)] += tally.sent + tally.failed + tally.cancelled
        return sorted(name for name, _ in done.most_common(BUSIEST))

    def _bucket(self, number: int) -> Bucket:
        return self._buckets.get(number) or Bucket()

    async def _read_buckets(self, numbers: Sequence[int]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.hgetall(keys.reports(number))
            pipe.mget([keys.depths(number) for number in numbers])
            *entries, depths = await pipe.execute()
        for number, of_consumers, depth in zip(numbers, entries, depths, strict=True):
            # An empty depth is being counted at this moment.
            if of_consumers or depth:
                self._buckets[number] = _merged(of_consumers.values(), depth or None)


def _merged(entries: Iterable[bytes], depths: bytes | None) -> Bucket:
    merged = Bucket(tallies={}, depths=None if depths is None else _decoded(_depths, depths))
    for entry in entries:
        report = _decoded(_reports, entry)
        if report is None:
            continue
        merged.in_flight += report.in_flight
        for series in report.series:
            merged.tallies.setdefault((series.channel, series.queue), Tally()).merge(series.tally)
    total = Tally()
    for tally in merged.tallies.values():
        total.merge(tally)
    merged.quantiles = _quantiles(total)
    return merged


class _Sums:
    """Tallies added up: all of them, by channel, and by queue."""

    def __init__(self) -> None:
        self.total = Tally()
        self.channels: dict[str, Tally] = defaultdict(Tally)
        self.queues: dict[str, Tally] = defaultdict(Tally)

    def add(self, key: tuple[str, str], tally: Tally) -> None:
        channel, queue = key
        for total in (self.total, self.channels[channel], self.queues[queue]):
            total.merge(tally)


def _flow(recent: Tally, lately: Tally, seconds: float) -> Flow:
    lateness_p50, lateness_p99, duration_p50, duration_p99 = _quantiles(lately)
    return Flow(
        sent=round(recent.sent / seconds, 2),
        failed=round(recent.failed / seconds, 2),
        cancelled=round(recent.cancelled / seconds, 2),
        lateness_p50=lateness_p50,
        lateness_p99=lateness_p99,
        duration_p50=duration_p50,
        duration_p99=duration_p99,
    )


def _quantiles(tally: Tally) -> Quantiles:
    lateness, duration = tally.lateness, tally.duration
    return _rounded(lateness, 0.5), _rounded(lateness, 0.99), _rounded(duration, 0.5), _rounded(duration, 0.99)


def _rounded(histogram: Histogram, share: float) -> float | None:
    """To a tenth of a millisecond; the classes are wider."""
    value = histogram.quantile(share)
    return None if value is None else round(value, 4)


def _empty(steps: int) -> Counts:
    return Counts(sent=[0] * steps, failed=[0] * steps, cancelled=[0] * steps)


def _decoded(decoder: "msgspec.msgpack.Decoder[T]", entry: bytes) -> T | None:
    try:
        return decoder.decode(entry)
    except msgspec.MsgspecError as error:
        # Of another version, or not ours.
        log.info("a report that cannot be read", error=str(error))
        return None
