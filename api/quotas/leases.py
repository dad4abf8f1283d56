"""Leases: each API process takes a part of what users may have accepted per second, and spends it without asking.

In play: in Redis a bucket for each user that was active in the last seconds (`tidings:quota:…`), and the times at which
the processes were heard of; in memory what was leased and not yet spent. One script serves all users that wait for a
lease, and one is under way at a time. What a process has leased and lost by a crash fills up again in ten seconds.

While Redis is away each process goes on with its share: the rate divided by the processes that were known last.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Final
from uuid import UUID, uuid4

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tidings.domain.errors import describe
from tidings.domain.quota import BURST_SECONDS
from tidings.redis import keys

log = structlog.get_logger(__name__)

PARTS: Final = 20
"""A lease is this part of a burst. So much of it, at the most, a process may spend late: 5 % of a burst for each."""
LEASE_SECONDS: Final = float(BURST_SECONDS)
"""Then what is left of a lease is dropped: the bucket has filled up meanwhile."""
PAUSE_SECONDS: Final = 0.1
"""After a refusal nothing is asked for this user for so long, so that a flood costs ten commands a second."""
PATIENCE_SECONDS: Final = 0.5
AWAY_SECONDS: Final = 2.0
"""After a failure Redis is not asked for so long."""
ASSUMED_PROCESSES: Final = 4
"""As long as Redis has not said how many there are."""
AT_ONCE: Final = 200
"""Users in one script."""

_LEASE: Final = """
-- Counts the process (ARGV[1]) among those that were heard of (KEYS[1]) in the last ARGV[2] seconds, and leases for
-- each user (the other KEYS) out of a bucket. ARGV has four numbers for each: rate and burst, how much the first one
-- that waits needs, how much all of them do and a little more. What needs more than a burst passes where the bucket is
-- full.
-- Returns the count of processes, then for each user what it got and what is left.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
local answer = {redis.call('ZCARD', KEYS[1])}
for number = 2, #KEYS do
    local first = 3 + (number - 2) * 4
    local rate, burst = tonumber(ARGV[first]), tonumber(ARGV[first + 1])
    local needed, wanted = tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3])
    local kept = redis.call('HMGET', KEYS[number], 'level', 'at')
    local level = burst
    if kept[1] then
        level = math.min(burst, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * rate)
    end
    local got = 0
    if level >= math.min(needed, burst) then
        got = math.max(needed, math.min(wanted, math.floor(level)))
        level = level - got
        redis.call('HSET', KEYS[number], 'level', tostring(level), 'at', string.format('%.6f', now))
        redis.call('PEXPIRE', KEYS[number], math.ceil((burst - level) / rate * 1000) + 1000)
    end
    answer[#answer + 1] = got
    answer[#answer + 1] = tostring(level)
end
return answer
"""


class _Waiter(msgspec.Struct):
    count: int
    answer: asyncio.Future[float]


class Bucket(msgspec.Struct):
    """What one user may have accepted here, and now."""

    user_id: UUID
    rate: int
    leased: float = 0.0
    leased_at: float = 0.0
    level: float = 0.0
    """What was left for all, at the time `level_at`."""
    level_at: float = 0.0
    asked_at: float = float("-inf")
    """When a lease was refused last."""
    own: float | None = None
    """What is left of this process's share, at `own_at`, while Redis is away."""
    own_at: float = 0.0
    waiters: list[_Waiter] = []
    is_asking: bool = False
    """A lease is under way, which counts on what was leased before."""

    @property
    def burst(self) -> int:
        return self.rate * BURST_SECONDS

    def remaining(self, now: float) -> float:
        """What may be accepted, as far as is known here."""
        return min(self.burst, self.level + (now - self.level_at) * self.rate + self.leased)

    def wait(self, count: int, now: float) -> float:
        """Seconds until so many may be accepted; at least a moment."""
        return max(0.001, (min(count, self.burst) - self.remaining(now)) / self.rate)

    def spend(self, count: int, now: float) -> bool:
        """Takes them out of what was leased, or nothing where that is too little."""
        if now - self.leased_at > LEASE_SECONDS:
            self.leased = 0.0
        if self.leased < count:
            return False
        self.leased -= count
        return True


class Leases:
    """Leases for all users of this process."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._script = redis.register_script(_LEASE)
        self._clock = clock
        self._name = str(uuid4())
        self._waiting: dict[UUID, Bucket] = {}
        self._asking: asyncio.Task[None] | None = None
        self._away_until = float("-inf")
        self.processes = ASSUMED_PROCESSES
        """Among how many API processes users spread."""

    async def take(self, bucket: Bucket, count: int) -> float:
        """Takes so many of a user's rate. Returns 0, or after how many seconds it is worth trying again."""
        now = self._clock()
        if not (bucket.waiters or bucket.is_asking) and bucket.spend(count, now):
            return 0.0
        if now - bucket.asked_at < PAUSE_SECONDS:
            return bucket.wait(count, now)
        waiter = _Waiter(count, asyncio.get_running_loop().create_future())
        bucket.waiters.append(waiter)
        self._waiting[bucket.user_id] = bucket
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_while_some_wait(), context=Context())
        return await waiter.answer

    def give_back(self, bucket: Bucket, count: int) -> None:
        """For what was taken and then not accepted."""
        bucket.leased = min(bucket.leased + count, float(max(bucket.burst, count)))

    async def census(self) -> int:
        """How many API processes there are, this one among them; while Redis is away, what was known last."""
        await self._run([])
        return self.processes

    async def close(self) -> None:
        """Waits for the script that is under way."""
        if self._asking is not None:
            await self._asking

    async def _ask_while_some_wait(self) -> None:
        try:
            while self._waiting:
                # What comes in the same turn of the loop is asked for together.
                await asyncio.sleep(0)
                buckets = [self._waiting.pop(user_id) for user_id in list(self._waiting)[:AT_ONCE]]
                await self._lease(buckets)
        finally:
            self._asking = None

    async def _lease(self, buckets: Sequence[Bucket]) -> None:
        waiters = [(bucket, bucket.waiters) for bucket in buckets]
        for bucket in buckets:
            bucket.waiters, bucket.is_asking = [], True
        try:
            answer = await self._run([(bucket, waiting) for bucket, waiting in waiters])
        except BaseException:
            for _, waiting in waiters:
                for waiter in waiting:
                    waiter.answer.cancel()
            raise
        finally:
            for bucket in buckets:
                bucket.is_asking = False
        now = self._clock()
        for number, (bucket, waiting) in enumerate(waiters):
            if answer is None:
                self._refill_own(bucket, waiting[0].count - bucket.leased, now)
            else:
                self._refill(bucket, got=float(answer[2 * number]), level=float(answer[2 * number + 1]), now=now)
            for waiter in waiting:
                self._serve(bucket, waiter, now)

    def _serve(self, bucket: Bucket, waiter: _Waiter, now: float) -> None:
        if waiter.answer.done():
            return
        if bucket.spend(waiter.count, now):
            waiter.answer.set_result(0.0)
        else:
            bucket.asked_at = now
            waiter.answer.set_result(bucket.wait(waiter.count, now))

    async def _run(self, wanted: Sequence[tuple[Bucket, Sequence[_Waiter]]]) -> list[bytes] | None:
        """The answer of the script, or None while Redis is away."""
        if self._clock() < self._away_until:
            return None
        numbers: list[str | float] = [self._name, keys.ACCEPTING_LIFE_SECONDS]
        for bucket, waiting in wanted:
            needed = max(0, waiting[0].count - bucket.leased)
            more = max(1, bucket.burst // PARTS)
            total = max(sum(waiter.count for waiter in waiting) - bucket.leased, more)
            numbers += [bucket.rate, bucket.burst, needed, total]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await self._script(
                    [keys.ACCEPTING, *(keys.quota(bucket.user_id) for bucket, _ in wanted)], numbers
                )
        except (RedisError, OSError) as error:
            self._away_until = self._clock() + AWAY_SECONDS
            log.warning("quotas are shared by guess while Redis is away", error=describe(error))
            return None
        self.processes = max(1, int(answer[0]))
        return list(answer[1:])

    def _refill(self, bucket: Bucket, *, got: float, level: float, now: float) -> None:
        if got:
            bucket.leased, bucket.leased_at = bucket.leased + got, now
        bucket.level, bucket.level_at, bucket.own = level, now, None

    def _refill_own(self, bucket: Bucket, needed: float, now: float) -> None:
        """Leases out of this process's share."""
        rate, burst = bucket.rate / self.processes, max(1.0, bucket.burst / self.processes)
        bucket.own = burst if bucket.own is None else min(burst, bucket.own + (now - bucket.own_at) * rate)
        bucket.own_at = now
        got = float(max(needed, int(bucket.own))) if bucket.own >= min(needed, burst) else 0.0
        bucket.own -= got
        bucket.leased, bucket.leased_at = bucket.leased + got, now
        bucket.level, bucket.level_at = bucket.own, now
