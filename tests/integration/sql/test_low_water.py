"""Claims that go by what is remembered find all that a claim after a look would find."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from producer.wakeup import Listener
from sql.low_water import LowWater, Turn
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, new_message, offers
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.timestamps import utc_now

SECOND = timedelta(seconds=1)


class Told(LowWater):
    """Trusted from its first look on: the clock that would have it look again is stopped. Counts what it is told."""

    count = 0

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)

    def notified(self, seconds: float, due: float, turns: list[Turn] | None) -> None:  # type: ignore[override]
        super().notified(seconds, due, turns)
        self.count += 1

    async def has_heard(self, count: int) -> None:
        async def heard() -> bool:
            return self.count >= count

        await eventually(heard)


@pytest.fixture
async def low_water(store: Store) -> AsyncIterator[Told]:
    low_water = Told()
    listening = asyncio.Event()
    listener = Listener(store.database, on_due=low_water.notified, on_queues=listening.set)  # type: ignore[arg-type]
    task = asyncio.create_task(listener.listen())
    await listening.wait()
    await store.batches.poll(low_water)
    yield low_water
    await cancel_and_wait(task)


async def claimed(store: Store, low_water: LowWater, batches: int = 1, *, size: int = 10) -> int:
    """How many messages a claim took."""
    made = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(batches), batch_size=size, low_water=low_water)
    return sum(batch.size for batch in made)


async def test_claims_go_on_where_the_last_one_ended(store: Store, low_water: Told) -> None:
    now = utc_now()
    await store.messages.insert([new_message(due_at=now - n * SECOND) for n in range(25)])
    await low_water.has_heard(1)
    assert [await claimed(store, low_water) for _ in range(4)] == [10, 10, 5, 0]


async def test_what_is_below_the_mark_is_found_once_it_was_told(store: Store, low_water: Told) -> None:
    await keep(store, 2)
    await low_water.has_heard(1)
    assert await claimed(store, low_water, size=1) == 1
    await store.messages.insert([new_message(due_at=utc_now() - timedelta(hours=1))])
    await low_water.has_heard(2)
    seconds = await store.batches.next_due(low_water)
    assert seconds is not None
    assert seconds < -3500
    assert await claimed(store, low_water) == 2
    assert await store.batches.next_due(low_water) is None


async def test_what_is_due_later_is_known_without_another_look(store: Store, low_water: Told) -> None:
    await store.messages.insert([new_message(), new_message(due_at=utc_now() + timedelta(hours=1))])
    await low_water.has_heard(1)
    assert await claimed(store, low_water) == 1
    seconds = await store.batches.next_due(low_water)
    assert seconds is not None
    assert 3500 < seconds <= 3600


async def test_what_a_claim_saw_and_had_no_batch_for_stays_above_the_mark(store: Store, low_water: Told) -> None:
    """A recovered message travels apart, so that one batch is not enough for what was read."""
    now = utc_now()
    await store.messages.insert([new_message(due_at=now - 9 * SECOND), new_message(due_at=now - 5 * SECOND)])
    await store.database.pool.execute("UPDATE messages SET recoveries = 1 WHERE due_at > $1", now - 7 * SECOND)
    await low_water.has_heard(2)
    assert [await claimed(store, low_water) for _ in range(3)] == [1, 1, 0]


async def test_what_is_given_back_is_told(store: Store, low_water: Told) -> None:
    await keep(store, 3)
    await low_water.has_heard(1)
    batches = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=10, low_water=low_water)
    assert await store.batches.release([batch.id for batch in batches]) == 3
    await low_water.has_heard(2)
    assert await claimed(store, low_water) == 3


async def test_many_turns_at_once_are_found_by_a_look(store: Store, low_water: Told) -> None:
    await store.messages.insert([new_message(share=number) for number in range(150)])
    await low_water.has_heard(1)
    assert not low_water.is_trusted()
    assert await claimed(store, low_water, 15) == 150
