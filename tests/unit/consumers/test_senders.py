"""consumers/senders.py"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from consumers.senders import SenderCache
from tidings.domain.account import Sender
from tidings.domain.errors import StoreUnavailableError

ADA, BOB, NOBODY = UUID(int=1), UUID(int=2), UUID(int=3)


class Users:
    """What Postgres would answer, and what it was asked."""

    def __init__(self) -> None:
        self.users = {user_id: Sender(id=user_id, email=f"{user_id}@example.com") for user_id in (ADA, BOB)}
        self.queries: list[set[UUID]] = []
        self.error: Exception | None = None
        self.asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()
        self.now = 0.0

    async def read(self, user_ids: Sequence[UUID]) -> dict[UUID, Sender]:
        self.queries.append(set(user_ids))
        self.asked.set()
        assert len(set(user_ids)) == len(user_ids)
        await self.answering.wait()
        if self.error is not None:
            raise self.error
        return {user_id: self.users[user_id] for user_id in user_ids if user_id in self.users}


@pytest.fixture
def users() -> Users:
    return Users()


@pytest.fixture
def senders(users: Users) -> SenderCache:
    return SenderCache(users.read, clock=lambda: users.now, life_seconds=10)


async def test_who_is_asked_for_together_is_read_in_one_query(users: Users, senders: SenderCache) -> None:
    found = await asyncio.gather(*(senders.get(user_id) for user_id in (ADA, BOB, ADA, NOBODY)))
    assert found == [users.users[ADA], users.users[BOB], users.users[ADA], None]
    assert users.queries == [{ADA, BOB, NOBODY}]


async def test_a_batch_is_read_at_once_and_known_then(users: Users, senders: SenderCache) -> None:
    assert senders.known(ADA) is None
    await senders.read([ADA, BOB, ADA])
    assert senders.known(ADA) == users.users[ADA]
    assert await senders.get(BOB) == users.users[BOB]
    assert users.queries == [{ADA, BOB}]
    await senders.read([])
    assert len(users.queries) == 1


async def test_nobody_is_read_twice_in_ten_seconds(users: Users, senders: SenderCache) -> None:
    for now, queries in ((0, 1), (9.9, 1), (10, 2), (19.9, 2)):
        users.now = now
        await senders.get(ADA)
        await senders.get(NOBODY)
        assert len(users.queries) == queries * 2


async def test_a_change_is_in_use_after_ten_seconds(users: Users, senders: SenderCache) -> None:
    before = await senders.get(ADA)
    users.users[ADA] = Sender(id=ADA, email="new@example.com")
    assert await senders.get(ADA) == before
    users.now = 10
    assert senders.known(ADA) is None
    assert await senders.get(ADA) == users.users[ADA]


async def test_who_comes_while_a_query_runs_waits_for_it(users: Users, senders: SenderCache) -> None:
    users.answering.clear()
    first = asyncio.create_task(senders.get(ADA))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(senders.get(ADA))
    other = asyncio.create_task(senders.get(BOB))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    users.answering.set()
    assert [*await asyncio.gather(first, second, other)] == [users.users[ADA], users.users[ADA], users.users[BOB]]
    assert users.queries == [{ADA}, {BOB}]


async def test_one_who_gives_up_takes_nothing_from_the_others(users: Users, senders: SenderCache) -> None:
    users.answering.clear()
    first = asyncio.create_task(senders.get(ADA))
    second = asyncio.create_task(senders.get(ADA))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    users.answering.set()
    assert await second == users.users[ADA]
    assert first.cancelled()


async def test_while_postgres_is_away_what_was_known_goes_on(users: Users, senders: SenderCache) -> None:
    await senders.get(ADA)
    users.now = 1000
    users.error = ConnectionRefusedError()
    assert await senders.get(ADA) == users.users[ADA]
    with pytest.raises(StoreUnavailableError):
        await senders.get(BOB)
    with pytest.raises(ConnectionRefusedError):
        await senders.read([BOB])
    users.error = None
    assert await senders.get(BOB) == users.users[BOB]


async def test_what_is_old_is_forgotten(users: Users, senders: SenderCache) -> None:
    await senders.read([ADA, NOBODY])
    users.now = 10
    await senders.read([BOB])
    assert set(senders._known) == {BOB}


async def test_who_has_changed_is_read_again(users: Users, senders: SenderCache) -> None:
    await senders.read([ADA, BOB])
    users.users[ADA] = Sender(id=ADA, email="new@example.com")
    senders.forget(ADA)
    assert senders.known(ADA) is None
    assert await senders.get(ADA) == users.users[ADA]
    assert users.queries == [{ADA, BOB}, {ADA}]
    users.error = ConnectionError("away")
    senders.forget_all()
    assert await senders.get(ADA) == users.users[ADA], "while Postgres is away, what was known"


async def test_who_changes_while_being_read_is_not_cached_as_before(users: Users, senders: SenderCache) -> None:
    users.answering.clear()
    first = asyncio.create_task(senders.get(ADA))
    await users.asked.wait()
    old, users.users[ADA] = users.users[ADA], Sender(id=ADA, email="new@example.com")
    senders.forget(ADA)
    second = asyncio.create_task(senders.get(ADA))
    users.asked.clear()
    await users.asked.wait()
    users.answering.set()
    assert old != await second
    await first
    assert users.queries == [{ADA}] * 2
    assert senders.known(ADA) == users.users[ADA]


async def test_who_changes_before_the_query_begins_is_read_once(users: Users, senders: SenderCache) -> None:
    coming = asyncio.create_task(senders.get(ADA))
    await asyncio.sleep(0)
    assert not users.queries
    senders.forget(ADA)
    assert await senders.get(ADA) == await coming == users.users[ADA]
    assert users.queries == [{ADA}]
