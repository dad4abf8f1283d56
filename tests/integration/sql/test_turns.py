"""Whose messages a claim takes: users by turns, queues by turns, and what is in quarantine in nobody's way."""

import asyncio

import pytest

from sql.batches import Offer
from sql.low_water import LowWater
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, new_message, offers
from tidings.domain.ids import new_id
from tidings.domain.turns import share_of

FLOOD, SINGLE = 1, 2


async def shares(store: Store, low_water: LowWater, batches: int, *, size: int) -> list[int]:
    """The shares of what a claim took, as numbers of messages: of the flood, and of all others."""
    made = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(batches), batch_size=size, low_water=low_water)
    rows = await store.database.pool.fetch(
        "SELECT share FROM messages WHERE batch_id = ANY($1::uuid[])", [batch.id for batch in made]
    )
    flood = sum(row["share"] == FLOOD for row in rows)
    return [flood, len(rows) - flood]


async def test_a_flood_does_not_keep_another_users_message_waiting(store: Store) -> None:
    await store.messages.insert([new_message(share=FLOOD) for _ in range(500)])
    await store.messages.insert([new_message(share=SINGLE)])
    low_water = LowWater()
    assert await shares(store, low_water, 1, size=10) in ([5, 1], [9, 1])
    # What the others do not need is the flood's: from now on it is known to be long.
    assert await shares(store, low_water, 1, size=10) == [10, 0]
    await store.messages.insert([new_message(share=number) for number in (3, 4, 5)])
    low_water.forget()
    assert await shares(store, low_water, 1, size=10) == [7, 3]


async def test_two_floods_share_evenly(store: Store) -> None:
    for share in (FLOOD, SINGLE):
        await store.messages.insert([new_message(share=share) for _ in range(200)])
    low_water = LowWater()
    taken = [await shares(store, low_water, 1, size=20) for _ in range(10)]
    assert sum(flood for flood, _ in taken) == pytest.approx(100, abs=20)
    assert all(10 <= sum(each) <= 20 for each in taken)


async def test_more_users_than_there_is_room_for_all_have_their_turn(store: Store) -> None:
    await store.messages.insert([new_message(share=share) for share in range(30) for _ in range(5)])
    low_water = LowWater()
    for _ in range(3):
        await shares(store, low_water, 1, size=10)
    left = await store.database.pool.fetch(
        "SELECT share, count(*) FROM messages WHERE status = 'pending' GROUP BY share"
    )
    assert {row["count"] for row in left} == {4}


async def test_queues_take_turns(store: Store) -> None:
    await store.queues.put("other", active=True, interval_seconds=0, batch_size=None)
    await keep(store, 100)
    await keep(store, 100, queue="other")
    claim_lanes = [(priority, queue) for priority in range(3) for queue in ("default", "other")]
    await store.batches.claim(claim_lanes, offers(1), batch_size=10)
    rows = await store.database.pool.fetch("SELECT queue FROM messages WHERE status = 'processing'")
    assert sorted(row["queue"] for row in rows) == ["default"] * 5 + ["other"] * 5


async def test_a_paced_queue_lets_its_users_take_turns(store: Store) -> None:
    await store.queues.put("slow", active=True, interval_seconds=60, batch_size=2)
    await store.messages.insert([new_message(queue="slow", share=share) for share in (1, 2, 3, 4) for _ in range(9)])
    for _ in range(4):
        await store.batches.claim_paced(offers(3), batch_size=100)
        await store.database.pool.execute("UPDATE queues SET last_claimed_at = last_claimed_at - interval '1 minute'")
    taken = await store.database.pool.fetch("SELECT share FROM messages WHERE status = 'processing'")
    assert sorted(row["share"] for row in taken) == [1, 1, 2, 2, 3, 3, 4, 4]


async def test_what_travels_alone_goes_one_at_a_time_after_the_rest_of_the_claim(store: Store) -> None:
    alone = await keep(store, 30)
    await store.database.pool.execute("UPDATE messages SET recoveries = 2, share = ~share")
    ordinary = await keep(store, 50)
    low_water = LowWater()
    made = await store.batches.claim(
        DEFAULT_CLAIM_LANES, [Offer(new_id(), "c1") for _ in range(4)], batch_size=100, low_water=low_water
    )
    assert sorted((batch.size, batch.quarantined) for batch in made) == [(1, True), (50, False)]
    assert not set(alone) & set(ordinary)
    # The next one waits for this one's outcome, and is asked for again soon, but not at once.
    assert (
        await store.batches.claim(DEFAULT_CLAIM_LANES, [Offer(new_id(), "c1")], batch_size=100, low_water=low_water)
        == []
    )
    seconds = await store.batches.next_due(low_water)
    assert seconds is not None
    assert 0 < seconds < 1
    await asyncio.sleep(seconds)
    other = await store.batches.claim(
        DEFAULT_CLAIM_LANES, [Offer(new_id(), "c1"), Offer(new_id(), "c2")], batch_size=100, low_water=low_water
    )
    assert [(batch.size, batch.quarantined) for batch in other] == [(1, True)]


async def test_a_poisoned_message_that_is_retried_is_its_users_again(store: Store) -> None:
    [message] = await keep(store)
    await store.database.pool.execute(
        "UPDATE messages SET recoveries = 5, share = ~7, status = 'cancelled', cancel_reason = 'poison'"
    )
    retried = await store.messages.retry(message)
    assert retried is not None
    assert (retried.recoveries, retried.share) == (0, 7)


async def test_a_message_is_kept_for_its_user_or_its_key(store: Store) -> None:
    user = new_id()
    ids = await keep(store, user_id=user)
    ids += await keep(store, share=share_of(user, "customer 1"))
    ids += await keep(store)
    kept = [message.share for each in ids if (message := await store.messages.get(each))]
    assert kept == [share_of(user), share_of(user, "customer 1"), 0]
    assert len(set(kept)) == 3
