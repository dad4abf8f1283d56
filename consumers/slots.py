"""The places for batches that this consumer offers to the producers.

In Redis: `tidings:slots`, member `consumer/slot`, score the time of the offer by Redis's own clock (the clocks of
machines differ). An offer is repeated every second as long as the slot is free: the same member, so nothing doubles,
and a flushed or restarted Redis heals by itself. Between a producer's taking a slot and the batch's arrival a repeated
offer can bring a second batch; the worker has places to spare for that.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tidings import keys
from tidings.errors import describe

log = structlog.get_logger(__name__)

REPEAT_SECONDS: Final = 1.0

OFFER: Final = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
for _, slot in ipairs(ARGV) do redis.call('ZADD', KEYS[1], now, slot) end
"""


class SlotOffers:
    """Offers the free slots of one consumer. `accepting` says whether it takes anything in at present."""

    def __init__(self, redis: Redis, *, consumer: str, count: int, accepting: Callable[[], bool]) -> None:
        self._redis = redis
        self._names = [f"{consumer}/{number}" for number in range(count)]
        self._busy: Counter[str] = Counter()
        self._accepting = accepting
        self._freed = asyncio.Event()
        self._offer = redis.register_script(OFFER)
        self._withdrawn = False
        self._away = False

    def occupy(self, slot: str) -> None:
        """A batch has come through this slot."""
        self._busy[slot] += 1

    def free(self, slot: str) -> None:
        """The batch that came through this slot needs it no more: the slot is offered again at once."""
        self._busy[slot] -= 1
        if not self._busy[slot]:
            del self._busy[slot]
            self._freed.set()

    async def run(self) -> None:
        """Offers until cancelled. What Redis misses while it is away, the next round tells it."""
        while True:
            self._freed.clear()
            slots = [name for name in self._names if name not in self._busy]
            if slots and self._accepting() and not self._withdrawn:
                try:
                    await self._offer(keys=[keys.SLOTS], args=slots)
                except (RedisError, OSError) as error:
                    if not self._away:
                        log.warning("waiting for Redis: no slots are offered", error=describe(error))
                        self._away = True
                    await asyncio.sleep(REPEAT_SECONDS)
                    continue
                if self._away:
                    log.info("Redis is there: slots are offered")
                    self._away = False
            try:
                await asyncio.wait_for(self._freed.wait(), timeout=REPEAT_SECONDS)
            except TimeoutError:
                continue

    async def withdraw(self) -> None:
        """Takes every offer back, for good."""
        self._withdrawn = True
        try:
            await self._redis.zrem(keys.SLOTS, *self._names)
        except (RedisError, OSError) as error:
            log.warning("cannot withdraw slots; they die by themselves", error=str(error))
