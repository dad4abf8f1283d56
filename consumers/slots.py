"""Offers this consumer's slots to the producers; a slot takes one batch.

In Redis: `tidings:slots`, member `consumer/slot`, score the time of the offer by Redis's own clock (the clocks of
machines differ). A crash leaves offers that expire by their age. A slot is offered when it becomes free, and every
second again: this refreshes the offers that are there and restores what a flushed Redis lost, except for slots whose
batch already waits in our queue. A slot that a producer takes at that very moment is offered twice; the worker has jobs
to spare for that.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tidings.domain.errors import describe
from tidings.redis import keys

log = structlog.get_logger(__name__)

REPEAT_SECONDS: Final = 1.0

OFFER: Final = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
for _, slot in ipairs(ARGV) do redis.call('ZADD', KEYS[1], now, slot) end
"""

REPEAT: Final = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local scores = redis.call('ZMSCORE', KEYS[1], unpack(ARGV))
local room = #ARGV - redis.call('ZCARD', KEYS[2])
local offers = {}
for there = 1, 0, -1 do
    for number, slot in ipairs(ARGV) do
        if (scores[number] and 1 or 0) == there and (there == 1 or room > 0) then
            room = room - 1
            table.insert(offers, now)
            table.insert(offers, slot)
        end
    end
end
if #offers > 0 then redis.call('ZADD', KEYS[1], unpack(offers)) end
"""


class SlotOffers:
    """Offers the free slots of one consumer while `accepting` returns True."""

    def __init__(self, redis: Redis, *, consumer: str, count: int, accepting: Callable[[], bool]) -> None:
        self._redis = redis
        self._queue = keys.consumer_queue(consumer)
        self._names = [f"{consumer}/{number}" for number in range(count)]
        self._busy: Counter[str] = Counter()
        self._accepting = accepting
        self._freed: set[str] = set()
        self._some_freed = asyncio.Event()
        self._offer = redis.register_script(OFFER)
        self._repeat = redis.register_script(REPEAT)
        self._withdrawn = False
        self._away = False

    def occupy(self, slot: str) -> None:
        """A batch has come through this slot."""
        self._busy[slot] += 1
        self._freed.discard(slot)

    def free(self, slot: str) -> None:
        """The batch that came through this slot needs it no longer: offers it again at once."""
        self._busy[slot] -= 1
        if not self._busy[slot]:
            del self._busy[slot]
            self._freed.add(slot)
            self._some_freed.set()

    async def run(self) -> None:
        """Offers until cancelled. What Redis misses while it is away is offered at the next repetition."""
        repeated = -REPEAT_SECONDS
        clock = asyncio.get_running_loop().time
        while True:
            self._some_freed.clear()
            rest = REPEAT_SECONDS
            if self._accepting() and not self._withdrawn:
                try:
                    if clock() - repeated >= REPEAT_SECONDS:
                        await self._offer_all()
                        repeated = clock()
                    else:
                        await self._offer_freed()
                except (RedisError, OSError) as error:
                    if not self._away:
                        log.warning("waiting for Redis: no slots are offered", error=describe(error))
                        self._away = True
                    repeated = -REPEAT_SECONDS
                    await asyncio.sleep(REPEAT_SECONDS)
                    continue
                if self._away:
                    log.info("Redis is there: slots are offered")
                    self._away = False
                rest = repeated + REPEAT_SECONDS - clock()
            try:
                await asyncio.wait_for(self._some_freed.wait(), timeout=rest)
            except TimeoutError:
                continue

    async def withdraw(self) -> None:
        """Removes every offer, for good."""
        self._withdrawn = True
        try:
            await self._redis.zrem(keys.SLOTS, *self._names)
        except (RedisError, OSError) as error:
            log.warning("cannot withdraw slots; they expire by themselves", error=str(error))

    async def _offer_all(self) -> None:
        self._freed.clear()
        if slots := [name for name in self._names if name not in self._busy]:
            await self._repeat(keys=[keys.SLOTS, self._queue], args=slots)

    async def _offer_freed(self) -> None:
        slots, self._freed = self._freed, set()
        if slots:
            await self._offer(keys=[keys.SLOTS], args=list(slots))
