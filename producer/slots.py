"""The places that consumers offer, one for each batch they can take in.

In Redis: the sorted set `tidings:slots`, member `consumer/slot`, score the time of the offer by Redis's own clock.
Lost at any moment, it fills again within a second: consumers repeat their offers.
"""

from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis

from tidings import keys


class Slot(msgspec.Struct, frozen=True):
    """A consumer's place for one batch."""

    consumer: str
    name: str
    """As it stands in Redis: `consumer/slot`."""
    offered_at: float


class SlotMarket:
    """The producer's side of the slots."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, most: int, *, wait: float) -> list[Slot]:
        """Takes up to `most` slots off the market, oldest offer first, waiting up to `wait` seconds for the first.

        Raises redis.RedisError where Redis is away.
        """
        first = await self._redis.bzpopmin(keys.SLOTS, timeout=wait)
        if first is None:
            return []
        _, member, score = first
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zpopmin(keys.SLOTS, most - 1)
            pipe.time()
            more, (seconds, microseconds) = await pipe.execute()
        oldest = seconds + microseconds / 1e6 - keys.OFFER_LIFE_SECONDS
        return [_slot(member, score) for member, score in [(member, score), *more] if score >= oldest]

    async def give_back(self, slots: Sequence[Slot]) -> None:
        """Puts unused slots back as they were offered."""
        if slots:
            await self._redis.zadd(keys.SLOTS, {slot.name: slot.offered_at for slot in slots}, nx=True)


def _slot(member: bytes, score: float) -> Slot:
    name = member.decode()
    return Slot(consumer=name.rpartition("/")[0], name=name, offered_at=score)
