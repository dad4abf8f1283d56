"""Claims that begin at the low-water mark find all that a claim from the bottom would find."""

from datetime import timedelta

import pytest

from sql.low_water import LowWater
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, new_message, offers
from tidings.domain.timestamps import utc_now

SECOND = timedelta(seconds=1)


@pytest.fixture
def low_water() -> LowWater:
    """Trusted from now on: the clock that would have it look from the bottom again is stopped."""
    low_water = LowWater(lambda: 0.0)
    low_water.begin(DEFAULT_CLAIM_LANES)
    low_water.end(DEFAULT_CLAIM_LANES, [None] * len(DEFAULT_CLAIM_LANES))
    return low_water


async def claimed(store: Store, low_water: LowWater, batches: int = 1, *, size: int = 10) -> int:
    """How many messages a claim took."""
    made = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(batches), batch_size=size, low_water=low_water)
    return sum(batch.size for batch in made)


async def test_claims_go_on_where_the_last_one_ended(store: Store, low_water: LowWater) -> None:
    now = utc_now()
    await store.messages.insert([new_message(due_at=now - n * SECOND) for n in range(25)])
    assert [await claimed(store, low_water) for _ in range(4)] == [10, 10, 5, 0]


async def test_what_is_below_the_mark_is_found_once_it_was_told(store: Store, low_water: LowWater) -> None:
    told: list[float] = []
    connection = await store.database.listen({"tidings_due": lambda text: told.append(float(text.split()[1]))})
    try:
        await keep(store, 1)
        assert await claimed(store, low_water) == 1
        earlier = utc_now() - timedelta(hours=1)
        await store.messages.insert([new_message(due_at=earlier)])
        assert await claimed(store, low_water) == 0
        assert await store.batches.next_due(low_water) is None

        async def heard() -> bool:
            return len(told) == 2

        await eventually(heard)
        low_water.notified(told[1])
        seconds = await store.batches.next_due(low_water)
        assert seconds is not None
        assert seconds < -3500
        assert await claimed(store, low_water) == 1
    finally:
        await connection.close()


async def test_what_a_claim_saw_and_had_no_batch_for_stays_above_the_mark(store: Store, low_water: LowWater) -> None:
    """A recovered message travels apart, so that one batch is not enough for what was read."""
    now = utc_now()
    await store.messages.insert([new_message(due_at=now - 9 * SECOND), new_message(due_at=now - 5 * SECOND)])
    await store.database.pool.execute("UPDATE messages SET recoveries = 2 WHERE due_at > $1", now - 7 * SECOND)
    assert await claimed(store, low_water) == 1
    assert await claimed(store, low_water) == 1
    assert await claimed(store, low_water) == 0


async def test_what_is_given_back_is_told(store: Store, low_water: LowWater) -> None:
    told: list[float] = []
    connection = await store.database.listen({"tidings_due": lambda text: told.append(float(text.split()[1]))})
    try:
        await keep(store, 3)
        batches = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=10, low_water=low_water)
        assert await store.batches.release([batch.id for batch in batches]) == 3

        async def heard() -> bool:
            return len(told) == 2

        await eventually(heard)
        low_water.notified(told[1])
        assert await claimed(store, low_water) == 3
    finally:
        await connection.close()
