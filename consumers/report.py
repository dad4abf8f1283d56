"""The report of a consumer: once a second its state and what it has done, in one round trip to Redis.

In Redis: this consumer's field of `tidings:consumers`, and its field of `tidings:reports:{bucket}` for each bucket of
5 s in which it did something (tidings/observability/reports.py). A crash loses what was counted since the last report
and leaves a report that grows old, by which others notice; a stop removes it. A bucket is kept whole for a while
after it is over: each report of it overwrites the one before, so nothing is counted twice. Redis away: the last
`BUCKETS_KEPT` buckets wait, older ones are lost.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from consumers.dispatcher import Dispatcher
from consumers.leases import Leases
from consumers.recorder import OutcomeRecorder
from tidings import __version__
from tidings.channels.recipient import EndpointKey
from tidings.domain.clock import CLOCK
from tidings.domain.errors import describe
from tidings.domain.ids import new_id
from tidings.domain.message import Outcome
from tidings.domain.states import Status
from tidings.observability.reports import (
    BREAKERS_SHOWN,
    BUCKET_LIFE_SECONDS,
    MOST_SERIES,
    OTHERS,
    REPORT_LIFE_SECONDS,
    SILENT_SECONDS,
    BreakerReport,
    BucketReport,
    ConsumerReport,
    RateReport,
    Series,
    Tally,
    bucket_of,
)
from tidings.redis import keys
from tidings.settings import Settings

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 1.0
REPORTS_LIFE_SECONDS: Final = 3600
BUCKETS_KEPT: Final = 3
"""What Redis does not take in that time is lost to the history."""

Tallies = dict[tuple[str, str], Tally]


class OutcomeCounts:
    """Outcomes, counted in buckets until they are reported. `now` returns Unix time by Redis's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[int, Tallies] = {}
        self._changed: set[int] = set()
        """Buckets to report."""
        self._encode = msgspec.msgpack.Encoder().encode

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Counts a group of outcomes in the present bucket, except messages that were given back."""
        bucket = bucket_of(self._now())
        tallies = self._buckets.setdefault(bucket, {})
        for outcome in outcomes:
            attempt, status = outcome.attempt, outcome.status
            if attempt is None and status not in {Status.SENT, Status.CANCELLED}:
                continue
            self._changed.add(bucket)
            tally = tallies.get((outcome.channel, outcome.queue)) or _open(tallies, outcome)
            if status is Status.SENT:
                tally.sent += 1
            elif status is Status.CANCELLED:
                tally.cancelled += 1
            else:
                tally.failed += 1
            if attempt is not None:
                tally.duration.add(attempt.duration)
            if outcome.lateness is not None:
                tally.lateness.add(outcome.lateness)

    def take(self, *, in_flight: int) -> dict[int, bytes]:
        """What has changed since the last call, by bucket; the present bucket too while something is in flight."""
        if in_flight:
            self._changed.add(bucket_of(self._now()))
        for bucket in sorted(self._buckets)[:-BUCKETS_KEPT]:
            del self._buckets[bucket]
        changed, self._changed = self._changed, set()
        return {bucket: self._entry(bucket, in_flight) for bucket in changed}

    def give_back(self, buckets: Iterable[int]) -> None:
        """Counts buckets as changed, since they could not be reported."""
        self._changed.update(bucket for bucket in buckets if bucket in self._buckets)

    def _entry(self, bucket: int, in_flight: int) -> bytes:
        tallies = self._buckets.get(bucket, {})
        return self._encode(BucketReport(in_flight, [Series(*key, tally) for key, tally in tallies.items()]))


class Reporter:
    """Reports one consumer. `accepting` and `stopping` are called with each report."""

    def __init__(
        self,
        redis: Redis,
        settings: Settings,
        *,
        dispatcher: Dispatcher,
        leases: Leases,
        recorder: OutcomeRecorder,
        accepting: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> None:
        self._redis = redis
        self._name = settings.consumer_name
        self._in_flight_limit = settings.in_flight
        self._limiter = dispatcher.limiter
        self._leases = leases
        self._recorder = recorder
        self._accepting = accepting
        self._stopping = stopping
        self._run_id = f"{self._name} {new_id()}"
        """Its field in each bucket: a consumer that is started again within a bucket must not overwrite itself."""
        self._ahead = CLOCK.seconds() - time.monotonic()
        """Seconds by which Redis's clock is ahead of our monotonic one."""
        self._started_at = self._now()
        self._counts = OutcomeCounts(self._now)
        recorder.observers.append(self._counts.add)
        self._cleared = False
        self._away = False

    async def run(self) -> None:
        """Reports until cancelled."""
        while True:
            try:
                await self.report()
            except (RedisError, OSError) as error:
                if not self._away:
                    log.warning("waiting for Redis: nothing is reported", error=describe(error))
                    self._away = True
            else:
                self._away = False
            await asyncio.sleep(EVERY_SECONDS)

    async def report(self) -> None:
        """Reports once. Raises redis.RedisError where Redis is away."""
        if not self._cleared:
            await self._clear_away()
            self._cleared = True
        entries = self._counts.take(in_flight=self._limiter.in_flight)
        try:
            now = await self._write(entries)
        except BaseException:
            self._counts.give_back(entries)
            raise
        self._ahead = now - time.monotonic()
        if self._limiter.paces.shared:
            self._limiter.paces.hear(*await self._rates_elsewhere(now))

    async def finish(self) -> None:
        """Reports a last time, and takes the consumer off the list."""
        try:
            await self.report()
            await self._take_off([self._name])
        except (RedisError, OSError) as error:
            log.info("the last report was not written", error=describe(error))

    async def _clear_away(self) -> None:
        """Takes dead consumers off the list, once at the start, so that the list does not grow."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(keys.CONSUMERS)
            (seconds, microseconds), reports = await pipe.execute()
        now = seconds + microseconds / 1e6
        self._ahead = now - time.monotonic()
        dead = [
            name.decode(errors="replace") for name, report in reports.items() if _age(report, now) > REPORT_LIFE_SECONDS
        ]
        if dead:
            await self._take_off(dead)

    async def _rates_elsewhere(self, now: float) -> tuple[dict[EndpointKey, float], int]:
        """What the other consumers send to endpoints that have a rate, and how many consumers there are."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.CONSUMERS)
            [reports] = await pipe.execute()
        rates: dict[EndpointKey, float] = {}
        consumers = 1
        for name, report in reports.items():
            if name != self._name.encode() and _age(report, now) <= SILENT_SECONDS:
                consumers += 1
                for each in msgspec.json.decode(report, type=ConsumerReport).rates:
                    key = EndpointKey(each.destination, each.user_id)
                    rates[key] = rates.get(key, 0.0) + each.rate
        return rates, consumers

    async def _take_off(self, names: Sequence[str]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hdel(keys.CONSUMERS, *names)
            await pipe.execute()

    async def _write(self, entries: Mapping[int, bytes]) -> float:
        """Writes the report; returns the time by Redis's clock."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(keys.CONSUMERS, mapping={self._name: msgspec.json.encode(self._present())})
            pipe.expire(keys.CONSUMERS, REPORTS_LIFE_SECONDS)
            for bucket, entry in entries.items():
                pipe.hset(keys.reports(bucket), mapping={self._run_id: entry})
                pipe.expire(keys.reports(bucket), BUCKET_LIFE_SECONDS)
            pipe.time()
            *_, (seconds, microseconds) = await pipe.execute()
        return float(seconds + microseconds / 1e6)

    def _present(self) -> ConsumerReport:
        return ConsumerReport(
            name=self._name,
            host=socket.gethostname(),
            version=__version__,
            started_at=datetime.fromtimestamp(self._started_at, UTC),
            reported_at=datetime.fromtimestamp(self._now(), UTC),
            in_flight=self._limiter.in_flight,
            waiting=self._limiter.waiting,
            in_flight_limit=self._in_flight_limit,
            open_batches=len(self._leases),
            outcomes_waiting=self._recorder.waiting,
            accepting=self._accepting(),
            stopping=self._stopping(),
            postgres_away=self._leases.away or self._recorder.away,
            clock_ahead=round(CLOCK.machine_ahead(), 3),
            breakers=tuple(
                BreakerReport(destination=each.name, user_id=each.user_id, state=each.state.value, seconds=each.seconds)
                for each in self._limiter.breakers()[:BREAKERS_SHOWN]
            ),
            rates=tuple(
                RateReport(destination=each.name, user_id=each.user_id, rate=round(each.rate, 3))
                for each in self._limiter.paces.listed()[:BREAKERS_SHOWN]
            ),
        )

    def _now(self) -> float:
        return time.monotonic() + self._ahead


def _open(tallies: Tallies, outcome: Outcome) -> Tally:
    key = (outcome.channel, outcome.queue)
    if len(tallies) >= MOST_SERIES:
        key = (outcome.channel, OTHERS)
    return tallies.setdefault(key, Tally())


def _age(report: bytes, now: float) -> float:
    try:
        return now - msgspec.json.decode(report, type=ConsumerReport).reported_at.timestamp()
    except msgspec.MsgspecError:
        # Of another version, or not ours: a living consumer writes it again within a second.
        return float("inf")
