"""The slots that a consumer offers: as many as it has room for, and no more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from consumers import slots
from consumers.slots import SlotOffers
from tests.eventually import eventually
from tidings.domain.cancellation import cancel_and_wait
from tidings.redis import keys

NAMES = {f"c/{number}".encode() for number in range(4)}


@asynccontextmanager
async def offering(redis: Redis) -> AsyncIterator[SlotOffers]:
    offers = SlotOffers(redis, consumer="c", count=len(NAMES), accepting=lambda: True)
    running = asyncio.create_task(offers.run())
    try:
        yield offers
    finally:
        await cancel_and_wait(running)


async def until_offered(redis: Redis, names: set[bytes]) -> None:
    async def offered() -> bool:
        return set(await redis.zrange(keys.SLOTS, 0, -1)) == names

    await eventually(offered)


async def two_rounds(monkeypatch: pytest.MonkeyPatch, redis: Redis, offers: SlotOffers) -> None:
    """Waits until all offers have been repeated twice."""
    calls = 0
    repeat = offers._offer_all

    async def counted() -> None:
        nonlocal calls
        await repeat()
        calls += 1

    monkeypatch.setattr(offers, "_offer_all", counted)

    async def twice() -> bool:
        return calls >= 2

    await eventually(twice)


async def test_free_slots_are_offered_and_busy_ones_are_not(redis: Redis) -> None:
    async with offering(redis) as offers:
        await until_offered(redis, NAMES)
        await redis.zpopmin(keys.SLOTS, 2)
        taken = NAMES - set(await redis.zrange(keys.SLOTS, 0, -1))
        for name in taken:
            offers.occupy(name.decode())
        one = taken.pop()
        offers.free(one.decode())
        await until_offered(redis, NAMES - taken)


async def test_what_waits_in_the_queue_is_not_offered_again(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "REPEAT_SECONDS", 0.05)
    async with offering(redis) as offers:
        await until_offered(redis, NAMES)
        taken = {member for member, _ in await redis.zpopmin(keys.SLOTS, 3)}
        async with redis.pipeline() as pipe:
            pipe.zadd(keys.consumer_queue("c"), {"batch 1": 1, "batch 2": 1, "batch 3": 1})
            # What was offered between the two commands above, which is the moment that nobody can see.
            pipe.zrem(keys.SLOTS, *taken)
            await pipe.execute()
        await two_rounds(monkeypatch, redis, offers)
        assert set(await redis.zrange(keys.SLOTS, 0, -1)) == NAMES - taken
        await redis.delete(keys.consumer_queue("c"))
        await until_offered(redis, NAMES)


async def test_one_slot_that_is_freed_brings_back_no_other(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "REPEAT_SECONDS", 60)
    async with offering(redis) as offers:
        await until_offered(redis, NAMES)
        await redis.delete(keys.SLOTS)
        offers.occupy("c/1")
        offers.free("c/1")
        await until_offered(redis, {b"c/1"})
