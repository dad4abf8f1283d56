"""Tells once a second how this consumer is and what it has done: one round trip to Redis, whatever there is to tell.

In Redis: this consumer's field of `tidings:consumers`, and its field of `tidings:figures:{bucket}` for each bucket in
which it did something (tidings/observability/reports.py). A crash leaves a report that grows old, which is how others
notice; a stop takes it away. Redis away: figures of the last seconds wait, older ones are lost.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from consumers.dispatcher import Dispatcher
from consumers.figures import FigureBook
from consumers.leases import Leases
from consumers.recorder import OutcomeRecorder
from tidings import __version__
from tidings.domain.errors import describe
from tidings.domain.ids import new_id
from tidings.domain.message import Outcome
from tidings.observability.reports import (
    BREAKERS_SHOWN,
    FIGURES_LIFE_SECONDS,
    REPORT_LIFE_SECONDS,
    BreakerReport,
    ConsumerReport,
)
from tidings.redis import keys
from tidings.settings import Settings

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 1.0
REPORTS_LIFE_SECONDS: Final = 3600


class Reporter:
    """The reports of one consumer. `accepting` and `stopping` are asked with each."""

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
        self._places = settings.in_flight
        self._dispatcher = dispatcher
        self._leases = leases
        self._recorder = recorder
        self._accepting = accepting
        self._stopping = stopping
        self._run_id = f"{self._name} {new_id()}"
        """Names its fields of figures: a consumer that is started again within a bucket must not overwrite itself."""
        self._ahead = 0.0
        """Seconds by which Redis's clock is ahead of ours."""
        self._started_at = self._now()
        self._book = FigureBook(self._now)
        self._cleared = False
        self._away = False

    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Counts outcomes that were recorded."""
        self._book.add(outcomes)

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
        figures = self._book.take(in_flight=self._dispatcher.in_flight)
        try:
            now = await self._write(figures)
        except BaseException:
            self._book.give_back(figures)
            raise
        self._ahead = now - time.time()

    async def finish(self) -> None:
        """Reports what was done last, and takes the consumer off the list."""
        try:
            await self.report()
            await self._take_off([self._name])
        except (RedisError, OSError) as error:
            log.info("the last report was not written", error=describe(error))

    async def _clear_away(self) -> None:
        """Takes the dead off the list. Each consumer does when it starts, so that the list does not grow with names."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(keys.CONSUMERS)
            (seconds, microseconds), reports = await pipe.execute()
        now = seconds + microseconds / 1e6
        self._ahead = now - time.time()
        dead = [
            name.decode(errors="replace") for name, report in reports.items() if _age(report, now) > REPORT_LIFE_SECONDS
        ]
        if dead:
            await self._take_off(dead)

    async def _take_off(self, names: Sequence[str]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hdel(keys.CONSUMERS, *names)
            await pipe.execute()

    async def _write(self, figures: Mapping[int, bytes]) -> float:
        """Writes everything, and answers the time by Redis's clock."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(keys.CONSUMERS, mapping={self._name: msgspec.json.encode(self._present())})
            pipe.expire(keys.CONSUMERS, REPORTS_LIFE_SECONDS)
            for bucket, entry in figures.items():
                pipe.hset(keys.figures(bucket), mapping={self._run_id: entry})
                pipe.expire(keys.figures(bucket), FIGURES_LIFE_SECONDS)
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
            in_flight=self._dispatcher.in_flight,
            waiting=self._dispatcher.waiting,
            places=self._places,
            open_batches=len(self._leases),
            outcomes_waiting=self._recorder.waiting,
            accepting=self._accepting(),
            stopping=self._stopping(),
            postgres_away=self._leases.away or self._recorder.away,
            breakers=tuple(
                BreakerReport(destination=destination, state=state.value, seconds=seconds)
                for destination, state, seconds in self._dispatcher.open_breakers()[:BREAKERS_SHOWN]
            ),
        )

    def _now(self) -> float:
        return time.time() + self._ahead


def _age(report: bytes, now: float) -> float:
    try:
        return now - msgspec.json.decode(report, type=ConsumerReport).reported_at.timestamp()
    except msgspec.MsgspecError:
        # Of another version, or not ours: it comes again within a second if somebody stands behind it.
        return float("inf")
