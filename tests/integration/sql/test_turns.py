"""Whose messages a claim takes: users by turns, queues by turns, and what is in quarantine in nobody's way."""

import asyncio
import sys
from datetime import timedelta
from random import Random
from typing import NamedTuple

import pytest

from sql.batches import BATCH_BYTES, Offer
from sql.low_water import LowWater
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, new_message, offers
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now
from tidings.domain.turns import share_of
from tidings.observability.reports import Depth

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


class Packed(NamedTuple):
    """What a batch holds: the bytes of its contents and their users."""

    sizes: list[int]
    shares: list[int]


async def packed(store: Store, low_water: LowWater | None = None, *, batches: int = 16) -> list[Packed]:
    made = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(batches), batch_size=100, low_water=low_water)
    rows = await store.database.pool.fetch(
        "SELECT batch_id, array_agg(octet_length(content)) AS sizes, array_agg(share) AS shares FROM messages "
        "WHERE batch_id = ANY($1::uuid[]) GROUP BY batch_id",
        [batch.id for batch in made],
    )
    assert {row["batch_id"]: len(row["sizes"]) for row in rows} == {batch.id: batch.size for batch in made}
    return [Packed(row["sizes"], row["shares"]) for row in rows]


def within_bounds(batch: Packed) -> bool:
    return len(batch.sizes) <= 100 and (len(batch.sizes) == 1 or sum(batch.sizes) <= BATCH_BYTES)


MEGABYTE = 2**20


async def test_a_batch_of_large_messages_is_bounded_by_its_bytes(store: Store) -> None:
    await keep(store, 30, channel="webhook", content="x" * MEGABYTE)
    await keep(store, 100, content="é" * 1000)
    await keep(store, 1, content="x" * (BATCH_BYTES + 1))
    low_water, taken = LowWater(), []
    while made := await packed(store, low_water):
        taken += made
    assert all(within_bounds(batch) for batch in taken)
    assert sorted(size for batch in taken for size in batch.sizes) == [
        *[2000] * 100,
        *[MEGABYTE] * 30,
        BATCH_BYTES + 1,
    ]


@pytest.mark.parametrize("seed", range(5))
async def test_no_mixture_of_sizes_passes_the_bounds_and_none_is_left(
    store: Store, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("sql.batches.BATCH_BYTES", 1000)
    monkeypatch.setattr(sys.modules[__name__], "BATCH_BYTES", 1000)
    random = Random(seed)
    sizes = [random.choice((1, 20, 400, 999, 1000, 1001, random.randint(1, 1500))) for _ in range(400)]
    await store.messages.insert([new_message(content="x" * size, share=random.randint(0, 3)) for size in sizes])
    await store.database.pool.execute("UPDATE messages SET recoveries = 1 WHERE octet_length(content) % 2 = 1")
    low_water, taken = LowWater(), []
    while made := await packed(store, low_water):
        taken += made
    assert all(within_bounds(batch) for batch in taken)
    assert sorted(size for batch in taken for size in batch.sizes) == sorted(sizes)


async def test_a_flood_of_large_messages_leaves_a_flood_of_small_ones_its_part(store: Store) -> None:
    """After the first claim, which tells how large they are."""
    await store.messages.insert([new_message(share=FLOOD, content="x" * MEGABYTE) for _ in range(80)])
    await store.messages.insert([new_message(share=SINGLE) for _ in range(4000)])
    low_water = LowWater()
    claims = [await packed(store, low_water, batches=8) for _ in range(6)]
    for claim in claims[1:]:
        large = [batch for batch in claim if FLOOD in batch.shares]
        small = sum(batch.shares.count(SINGLE) for batch in claim)
        assert large
        assert 100 <= small <= 700


async def test_a_queue_is_counted_whoever_waits_in_it_and_when_it_is_off_too(store: Store) -> None:
    later = utc_now() + timedelta(hours=1)
    await store.messages.insert([new_message(share=share) for share in range(4) for _ in range(3)])
    await store.messages.insert([new_message(share=share, due_at=later) for share in (1, 7) for _ in range(3)])
    await store.queues.put("off", active=False, interval_seconds=0, batch_size=None)
    await keep(store, 2, queue="off")
    assert await store.queues.depths(limit=100) == {"default": Depth(12, 6, 0), "off": Depth(2, 0, 0)}
    assert (await store.queues.depths(limit=5))["default"] == Depth(5, 5, 0)


async def test_what_was_lost_often_before_there_were_turns_travels_in_tens(store: Store) -> None:
    await keep(store, 25)
    await store.database.pool.execute("UPDATE messages SET recoveries = 2")
    made = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(8), batch_size=100)
    assert sorted((batch.size, batch.quarantined) for batch in made) == [(5, False), (10, False), (10, False)]
