"""The slots that consumers offer, one for each batch they can take.

In Redis: the sorted set `tidings:slots`, member `consumer/slot`, score the time of the offer by Redis's own clock.
Lost at any moment, it fills again within a second: consumers repeat their offers.
"""

from collections.abc import Sequence

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from tidings.redis import keys

log = structlog.get_logger(__name__)


class Slot(msgspec.Struct, frozen=True):
    """A consumer's room for one batch."""

    consumer: str
    name: str
    """Its name in Redis: `consumer/slot`."""
    offered_at: float


class SlotMarket:
    """The producer's side of the slots."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, most: int, *, wait: float) -> list[Slot]:
        """Takes up to `most` slots off the market, oldest offer first, waiting up to `wait` seconds for the first.

        Raises redis.RedisError where Redis is away.
        """
        try:
            first = await self._redis.bzpopmin(keys.SLOTS, timeout=wait)
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            # Another program's value under our name: offers come back by themselves once it is gone.
            log.error("removed a key of the wrong type", key=keys.SLOTS)  # noqa: TRY400
            await self._redis.delete(keys.SLOTS)
            return []
        if first is None:
            return []
        _, member, score = first
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zpopmin(keys.SLOTS, most - 1)
            pipe.time()
            more, (seconds, microseconds) = await pipe.execute()
        oldest = seconds + microseconds / 1e6 - keys.OFFER_LIFE_SECONDS
        offers = [_slot(member, score) for member, score in [(member, score), *more]]
        return [slot for slot in offers if slot is not None and slot.offered_at >= oldest]

    async def give_back(self, slots: Sequence[Slot]) -> None:
        """Puts unused slots back as they were offered."""
        if slots:
            await self._redis.zadd(keys.SLOTS, {slot.name: slot.offered_at for slot in slots}, nx=True)


def _slot(member: bytes, score: float) -> Slot | None:
    """The slot that a member names; None for what no consumer of ours has put there."""
    try:
        name = member.decode()
    except UnicodeDecodeError:
        name = ""
    consumer, _, number = name.rpartition("/")
    if not consumer or not number.isdecimal():
        log.warning("an offer that is not ours", member=repr(member))
        return None
    return Slot(consumer=consumer, name=name, offered_at=score)
