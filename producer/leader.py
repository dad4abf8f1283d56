"""One of all producers leads: it alone reconciles, keeps the tables and counts what waits.

In play: an advisory lock, held by a connection of the leader's own, on which nothing runs but a ping every 3 s. The
lock ends with that connection, so a producer that dies is followed by another one within seconds. One that is paused
(SIGSTOP, a paused machine) pings no more: Postgres ends its session after 10 s (`LEAD_SECONDS` in sql/database.py), and
another one leads within 15 s. When it comes back it finds its connection gone, and stops its duties. Two that lead for
that moment do no harm: every duty may be repeated and run twice.

Each duty has a schedule of its own. One that fails is tried again soon and stops no other; it is counted, and recorded
in Redis for `tidings doctor`.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg
import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sql.database import AWAY, LEAD_ANSWER_SECONDS, Connection, Database
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.clock import CLOCK
from tidings.domain.errors import describe
from tidings.redis import keys

log = structlog.get_logger(__name__)

TRY_SECONDS: Final = 2.0
"""How often a producer that does not lead tries to."""

PING_SECONDS: Final = 3.0
"""How often the one that leads shows Postgres that it does: three times before Postgres takes it for lost."""

AFTER_FAILURE_SECONDS: Final = 10.0
"""A duty that failed is tried again after this, or sooner where its schedule says so."""


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """Something that one producer does for all; it may be repeated, and cancelled at any moment."""

    name: str
    every: float
    """Seconds between two rounds."""
    work: Callable[[], Awaitable[None]]
    rest: float = 0.0
    """A pause is at least so many times as long as the round before it."""


class Leader:
    """Leads, or waits until it may."""

    def __init__(
        self, database: Database, redis: Redis, duties: Sequence[Duty], *, begin: Callable[[bool], None] | None = None
    ) -> None:
        """`begin` is called whenever this producer becomes the one that leads: was Postgres away from it before?"""
        self._database = database
        self._redis = redis
        self._duties = duties
        self._begin = begin
        self._interrupted = False
        self._failing: set[str] = set()
        self.leads = False
        self.failures = {duty.name: 0 for duty in duties}
        """Rounds that failed, since the process began."""
        self.succeeded_at: dict[str, float] = {}
        """When a duty's last round succeeded (Unix seconds, by Postgres's clock)."""

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set; a round that is under way then is cancelled."""
        while not stop.is_set():
            try:
                connection = await self._database.leading_connection()
                try:
                    await self._wait_and_lead(connection, stop)
                finally:
                    await _close(connection)
            except AWAY as error:
                log.warning("cannot lead at present", error=describe(error))
                self._interrupted = True
            await _pause(stop, TRY_SECONDS)

    async def _wait_and_lead(self, connection: Connection, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if await self._database.queries.try_lead(connection):
                await self._lead(connection, stop)
                return
            await _pause(stop, TRY_SECONDS)

    async def _lead(self, connection: Connection, stop: asyncio.Event) -> None:
        log.info("leads the producers")
        self.leads = True
        if self._begin is not None:
            self._begin(self._interrupted)
        await self._report(None)
        lost = asyncio.create_task(self._database.lost(connection, every=PING_SECONDS, answer=LEAD_ANSWER_SECONDS))
        stopped = asyncio.create_task(stop.wait())
        duties = [asyncio.create_task(self._repeat(duty)) for duty in self._duties]
        try:
            await asyncio.wait([lost, stopped, *duties], return_when=asyncio.FIRST_COMPLETED)
            self._interrupted = not stop.is_set()
            if lost.done():
                log.warning("leads no longer", error=lost.result())
        finally:
            self.leads = False
            await cancel_and_wait(lost, stopped, *duties)

    async def _repeat(self, duty: Duty) -> None:
        while True:
            pause = duty.every
            began = time.monotonic()
            try:
                await duty.work()
            except Exception as error:
                # A mistake of ours in one duty must not stop the others either; its traceback is in the log.
                expected = isinstance(error, (RedisError, asyncpg.PostgresError, *AWAY))
                log.warning("a duty failed", duty=duty.name, error=describe(error), exc_info=not expected)
                self.failures[duty.name] += 1
                self._failing.add(duty.name)
                await self._report(duty.name, describe(error))
                pause = min(duty.every, AFTER_FAILURE_SECONDS)
            else:
                self.succeeded_at[duty.name] = CLOCK.seconds()
                if duty.name in self._failing and await self._report(duty.name):
                    self._failing.remove(duty.name)
            await asyncio.sleep(max(pause, duty.rest * (time.monotonic() - began)))

    async def _report(self, duty: str | None, error: str | None = None) -> bool:
        """Records for the doctor that a duty fails, or no longer does; without a duty, that none is known to.

        Returns whether Redis took it. Where it is away, the claimer logs that, and the metrics know of the duty.
        """
        try:
            if duty is None:
                await self._redis.delete(keys.FAILING_DUTIES)
            elif error is None:
                await self._redis.hdel(keys.FAILING_DUTIES, duty)  # type: ignore[misc]
            else:
                async with self._redis.pipeline(transaction=False) as pipe:
                    pipe.hset(keys.FAILING_DUTIES, duty, error)
                    pipe.expire(keys.FAILING_DUTIES, keys.FAILING_DUTIES_LIFE_SECONDS)
                    await pipe.execute()
        except (RedisError, OSError):
            return False
        return True


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout=seconds)


async def _close(connection: Connection) -> None:
    with contextlib.suppress(asyncpg.PostgresError, *AWAY):
        await connection.close(timeout=1)
