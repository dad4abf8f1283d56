"""Whose messages go first, every process a real one: by the order of arrivals, not by the clock."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import web

from sql.store import Store
from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tests.eventually import eventually
from tests.factories import new_message
from tidings.domain.message import NewMessage, Priority
from tidings.settings import Settings

FLOOD = 20_000
BATCH_SIZE = 20
PER_CLAIM = 8 * BATCH_SIZE
"""Messages in one claim at the most: a consumer has eight slots."""
UNDER_WAY = 512 + PER_CLAIM
"""What one consumer may have already: in flight, and in its slots."""
SOME = 10
"""Claims that may have been made before the producer was notified, however slow the machine is."""


@pytest_asyncio.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = await Store.connect(settings.postgres_uri, process="test", lease_seconds=settings.lease_seconds)
    yield store
    await store.close()


def sms(content: str, **changes: object) -> NewMessage:
    return new_message(channel="sms", recipient="+4915112345678", content=content, **changes)


async def flooded(system: System, store: Store) -> None:
    """One user's flood is in Postgres, and on its way."""
    for first in range(0, FLOOD, 1000):
        await store.messages.insert([sms(str(number), share=1) for number in range(first, first + 1000)])
    await system.start_consumer()
    await system.start_producer(BATCH_SIZE=str(BATCH_SIZE))


async def arrived(gateway: CountingGateway, content: str) -> int:
    """How many others had arrived before this one did."""

    async def look() -> bool:
        return content in gateway.received

    await eventually(look, within=50)
    return list(gateway.received).index(content)


async def test_another_users_message_does_not_wait_for_a_flood(
    system: System, store: Store, gateway: CountingGateway
) -> None:
    await flooded(system, store)
    await arrived(gateway, "0")
    before = len(gateway.received)
    await store.messages.insert([sms("another user's", share=2)])
    assert await arrived(gateway, "another user's") - before <= UNDER_WAY + SOME * PER_CLAIM < FLOOD / 2


async def test_low_priority_has_its_part_beside_a_flood(system: System, store: Store, gateway: CountingGateway) -> None:
    await flooded(system, store)
    await arrived(gateway, "0")
    before = len(gateway.received)
    low = [f"low {number}" for number in range(50)]
    await store.messages.insert([sms(content, share=2, priority=Priority.LOW) for content in low])
    last = max([await arrived(gateway, content) for content in low])
    # One claim in ten begins with what has low priority.
    assert last - before <= UNDER_WAY + (SOME + 10) * PER_CLAIM < FLOOD / 2


class HoldingGateway(CountingGateway):
    """Does not answer what begins with `slow` until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        answer = await super()._receive(request)
        if (await request.json())["content"].startswith("slow"):
            await self.may_answer.wait()
        return answer


async def test_what_travels_alone_holds_up_nobody_else(system: System, store: Store) -> None:
    async with HoldingGateway() as gateway:
        alone = [sms(f"slow {number}", share=~1) for number in range(30)]
        await store.messages.insert(alone)
        await store.database.pool.execute("UPDATE messages SET recoveries = 2, status = 'pending'")
        await store.messages.insert([sms(f"ordinary {number}", share=2) for number in range(50)])
        await system.start_consumer(WEBHOOK_URL=gateway.url)
        await system.start_producer()

        def kinds() -> Counter[str]:
            return Counter(content.split()[0] for content in gateway.received)

        async def all_ordinary() -> bool:
            return kinds()["ordinary"] == 50

        await eventually(all_ordinary, within=30)
        # None of them has ended, so no second one has begun.
        assert kinds()["slow"] <= 1
        gateway.may_answer.set()

        async def all_of_them() -> bool:
            return kinds() == {"ordinary": 50, "slow": 30}

        await eventually(all_of_them, within=30)
        assert gateway.duplicates == 0
