"""Whatever makes messages wait wakes the producers, once a statement; whatever does not, does not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from sql.lists import MessageFilter
from sql.loader import QUERIES_DIR
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, changed, keep, offers
from tests.integration.sql.test_batches import claim, lose, reclaim, sent
from tidings.domain.ids import new_id
from tidings.domain.message import Outcome
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now

END = -1.0


class Heard:
    """The due times that were notified, in their order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._times: asyncio.Queue[float] = asyncio.Queue()
        self.turns: set[str] = set()
        """Of the last notification."""

    def add(self, payload: str) -> None:
        seconds, due_at, turns = payload.split()
        if turns != "-":
            self.turns = set(turns.split(","))
        self._times.put_nowait(END if float(due_at) == END else float(due_at))
        assert float(due_at) == END or abs(float(due_at) - utc_now().timestamp() - float(seconds)) < 10

    async def since(self) -> list[float]:
        """What was notified since the last call: everything before a NOTIFY of our own."""
        async with self._store.database.pool.acquire() as connection:
            await connection.execute(f"SELECT pg_notify('tidings_turns', '{END} {END} -')")
        times = []
        while (time := await self._times.get()) != END:
            times.append(time)
        return times


@pytest.fixture
async def heard(store: Store) -> AsyncIterator[Heard]:
    heard = Heard(store)
    connection = await store.database.listen({"tidings_turns": heard.add})
    yield heard
    await connection.close()


def is_now(times: list[float]) -> bool:
    return len(times) == 1 and abs(times[0] - utc_now().timestamp()) < 10


async def test_an_insert_wakes_for_the_first_that_is_due(store: Store, heard: Heard) -> None:
    due_at = utc_now() + timedelta(hours=1)
    await keep(store, 3, due_at=due_at)
    assert await heard.since() == [pytest.approx(due_at.timestamp(), abs=0.001)]


async def test_a_claim_and_its_outcomes_wake_nobody(store: Store, heard: Heard) -> None:
    await keep(store, 3)
    await heard.since()
    [deliveries] = await claim(store)
    outcomes = [sent(delivery) for delivery in deliveries]
    await store.batches.record(outcomes, closed=[deliveries[0].batch_id], consumer="consumer")
    assert await heard.since() == []


async def test_a_failed_attempt_wakes_for_the_next(store: Store, heard: Heard) -> None:
    await keep(store, 2)
    await heard.since()
    [deliveries] = await claim(store)
    due: list[datetime] = [utc_now() + timedelta(minutes=minutes) for minutes in (7, 3)]
    outcomes = [
        Outcome(message_id=d.id, batch_id=d.batch_id, status=Status.FAILED, tries=1, due_at=at)
        for d, at in zip(deliveries, due, strict=True)
    ]
    await store.batches.record(outcomes, closed=[deliveries[0].batch_id], consumer="consumer")
    assert await heard.since() == [pytest.approx(due[1].timestamp(), abs=0.001)]


async def test_a_release_wakes(store: Store, heard: Heard) -> None:
    await keep(store, 3)
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=10)
    await heard.since()
    await store.batches.release([batch.id])
    assert is_now(await heard.since())


async def test_reclaimed_and_orphaned_messages_wake(store: Store, heard: Heard) -> None:
    await keep(store, 3)
    [deliveries] = await claim(store)
    await heard.since()
    await lose(store, deliveries[0].batch_id)
    await reclaim(store)
    assert is_now(await heard.since())
    await claim(store)
    async with store.database.pool.acquire() as connection:
        await connection.execute("DELETE FROM batches")
    await store.batches.heal_orphans(recoveries_allowed=5)
    assert is_now(await heard.since())


async def test_a_retry_wakes_and_a_cancellation_does_not(store: Store, heard: Heard) -> None:
    [first, *_] = await keep(store, 3, due_at=utc_now() + timedelta(hours=1))
    await heard.since()
    assert await store.messages.cancel(first)
    assert await changed(store.changes.cancelling(MessageFilter())) == 2
    assert await heard.since() == []
    assert await store.messages.retry(first)
    assert is_now(await heard.since())
    assert await changed(store.changes.retrying(MessageFilter(), None)) == 2
    assert is_now(await heard.since())


async def test_expired_messages_wake_nobody(store: Store, heard: Heard) -> None:
    await keep(store, 2, expires_at=utc_now() - timedelta(minutes=1))
    await heard.since()
    assert await store.messages.expire(limit=10) == 2
    assert await heard.since() == []


async def test_a_statement_that_changes_nothing_wakes_nobody(store: Store, heard: Heard) -> None:
    assert await store.messages.retry(new_id()) is None
    assert await store.batches.release([new_id()]) == 0
    assert await heard.since() == []


def test_no_query_notifies_by_itself() -> None:
    assert not [file.name for file in QUERIES_DIR.iterdir() if "tidings_turns" in file.read_text("utf-8")]
