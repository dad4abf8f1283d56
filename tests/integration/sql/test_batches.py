"""What the claim takes and in which order; taking, recording, releasing and reclaiming of batches."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sql.batches import Expired, Offer, Reclaimed
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, new_message, offers
from tidings.domain.ids import new_id
from tidings.domain.message import Attempt, Delivery, Message, Outcome, Priority
from tidings.domain.states import AttemptOutcome, CancelReason, Status
from tidings.domain.timestamps import utc_now

MINUTE = timedelta(minutes=1)


async def claim(store: Store, batches: int = 1, *, batch_size: int = 100, **options: Any) -> list[list[Delivery]]:
    """Claims and takes; answers the messages of each batch in their order."""
    claimed = await store.batches.claim(
        options.get("claim_lanes", DEFAULT_CLAIM_LANES), offers(batches), batch_size=batch_size
    )
    return [await store.batches.take(batch.id, consumer="consumer") for batch in sorted(claimed, key=lambda b: b.id)]


async def message(store: Store, message_id: UUID) -> Message:
    found = await store.messages.get(message_id)
    assert found is not None
    return found


def sent(delivery: Delivery, **changes: Any) -> Outcome:
    now = utc_now()
    values: dict[str, Any] = {
        "message_id": delivery.id,
        "batch_id": delivery.batch_id,
        "status": Status.SENT,
        "tries": delivery.tries + 1,
        "sent_at": now,
        "attempt": Attempt(
            message_id=delivery.id,
            batch_id=delivery.batch_id,
            try_number=delivery.tries + 1,
            consumer="consumer",
            started_at=now,
            duration=0.1,
            outcome=AttemptOutcome.ACCEPTED,
            status_code=202,
            error=None,
            answer="ok",
        ),
    }
    return Outcome(**{**values, **changes})


async def lose(store: Store, batch_id: UUID) -> None:
    """Lets the lease of a batch run out."""
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE batches SET lease_until = now() - interval '1 s' WHERE id = $1", batch_id)


async def reclaim(store: Store, *, recoveries_allowed: int = 5, max_age: timedelta = MINUTE) -> Reclaimed:
    expired = await store.batches.expired(limit=100)
    return await store.batches.reclaim(expired, max_age=max_age, recoveries_allowed=recoveries_allowed)


class TestClaim:
    async def test_takes_what_is_due_oldest_first(self, store: Store) -> None:
        now = utc_now()
        [later] = await keep(store, due_at=now - MINUTE)
        [sooner] = await keep(store, due_at=now - 2 * MINUTE)
        await keep(store, due_at=now + MINUTE)
        [batch] = await claim(store)
        assert [delivery.id for delivery in batch] == [sooner, later]

    async def test_a_higher_priority_goes_first_whatever_its_age(self, store: Store) -> None:
        now = utc_now()
        [low] = await keep(store, priority=Priority.LOW, due_at=now - 3 * MINUTE)
        [normal] = await keep(store, due_at=now - 2 * MINUTE)
        [high] = await keep(store, priority=Priority.HIGH, due_at=now - MINUTE)
        batches = await claim(store, 3, batch_size=1)
        assert [delivery.id for batch in batches for delivery in batch] == [high, normal, low]

    async def test_fills_one_batch_before_the_next(self, store: Store) -> None:
        await keep(store, 25)
        batches = await claim(store, 5, batch_size=10)
        assert [len(batch) for batch in batches] == [10, 10, 5]

    async def test_takes_no_more_than_there_is_room_for(self, store: Store) -> None:
        await keep(store, 25)
        assert [len(batch) for batch in await claim(store, 2, batch_size=10)] == [10, 10]

    async def test_serves_the_claim_lanes_in_their_order(self, store: Store) -> None:
        await store.queues.put("other", active=True, interval_seconds=0, batch_size=None)
        [here] = await keep(store)
        [there] = await keep(store, queue="other")
        claim_lanes = [(priority, queue) for priority in range(3) for queue in ("other", "default")]
        batches = await claim(store, 2, batch_size=1, claim_lanes=claim_lanes)
        assert [batch[0].id for batch in batches] == [there, here]

    async def test_leaves_a_stopped_queue_alone(self, store: Store) -> None:
        await keep(store)
        await store.queues.set_active("default", active=False)
        assert await claim(store) == []
        assert await store.batches.next_due() is None
        await store.queues.set_active("default", active=True)
        assert len(await claim(store)) == 1

    async def test_claimers_side_by_side_never_take_the_same(self, store: Store) -> None:
        ids = await keep(store, 1000)
        rounds = await asyncio.gather(*(claim(store, 5, batch_size=20) for _ in range(10)))
        taken = [delivery.id for batches in rounds for batch in batches for delivery in batch]
        assert len(taken) == len(set(taken))
        while batches := await claim(store, 5, batch_size=20):
            taken += [delivery.id for batch in batches for delivery in batch]
        assert sorted(taken) == sorted(ids)

    async def test_next_due_tells_the_seconds_to_wait(self, store: Store) -> None:
        assert await store.batches.next_due() is None
        await keep(store, due_at=utc_now() + timedelta(seconds=30))
        seconds = await store.batches.next_due()
        assert seconds is not None
        assert 28 < seconds <= 30
        await keep(store)
        seconds = await store.batches.next_due()
        assert seconds is not None
        assert seconds <= 0


class TestTake:
    async def test_only_its_consumer_and_only_once(self, store: Store) -> None:
        await keep(store, 3)
        [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=100)
        assert await store.batches.take(batch.id, consumer="another") == []
        assert len(await store.batches.take(batch.id, consumer="consumer")) == 3
        assert await store.batches.take(batch.id, consumer="consumer") == []

    async def test_a_released_batch_cannot_be_taken(self, store: Store) -> None:
        [message_id] = await keep(store)
        [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=100)
        assert await store.batches.release([batch.id]) == 1
        assert await store.batches.take(batch.id, consumer="consumer") == []
        assert (await message(store, message_id)).status is Status.PENDING

    async def test_a_started_batch_cannot_be_released(self, store: Store) -> None:
        [message_id] = await keep(store)
        [[delivery]] = await claim(store)
        assert await store.batches.release([delivery.batch_id]) == 0
        assert (await message(store, message_id)).status is Status.PROCESSING


class TestRecord:
    async def test_writes_the_outcome_its_attempt_and_closes_the_batch(self, store: Store) -> None:
        [message_id] = await keep(store)
        [[delivery]] = await claim(store)
        outcome = sent(delivery, provider_message_id="abc")
        recorded = await store.batches.record([outcome], closed=[delivery.batch_id], consumer="consumer")
        assert recorded == {message_id}
        kept = await message(store, message_id)
        assert (kept.status, kept.tries, kept.provider_message_id) == (Status.SENT, 1, "abc")
        assert kept.sent_at == outcome.sent_at
        assert await store.messages.attempts(kept) == [outcome.attempt]
        assert await store.batches.renew([delivery.batch_id]) == set()

    async def test_twice_is_once(self, store: Store) -> None:
        [message_id] = await keep(store)
        [[delivery]] = await claim(store)
        outcome = sent(delivery)
        await store.batches.record([outcome], closed=[delivery.batch_id], consumer="consumer")
        assert await store.batches.record([outcome], closed=[delivery.batch_id], consumer="consumer") == set()
        assert len(await store.messages.attempts(await message(store, message_id))) == 1

    async def test_what_left_its_batch_is_fenced(self, store: Store) -> None:
        [message_id] = await keep(store)
        [[late]] = await claim(store)
        await lose(store, late.batch_id)
        await reclaim(store)
        [[_]] = await claim(store)
        assert await store.batches.record([sent(late)], closed=[late.batch_id], consumer="consumer") == set()
        kept = await message(store, message_id)
        assert kept.status is Status.PROCESSING
        assert kept.batch_id != late.batch_id

    async def test_a_given_back_message_is_as_it_was(self, store: Store) -> None:
        [message_id] = await keep(store)
        before = await message(store, message_id)
        [[delivery]] = await claim(store)
        back = Outcome(message_id=message_id, batch_id=delivery.batch_id, status=Status.PENDING, tries=0)
        await store.batches.record([back], closed=[delivery.batch_id], consumer="consumer")
        assert await message(store, message_id) == before


class TestReclaim:
    async def test_never_started_goes_back_as_it_was(self, store: Store) -> None:
        [message_id] = await keep(store)
        before = await message(store, message_id)
        [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=100)
        await lose(store, batch.id)
        assert await reclaim(store) == Reclaimed(batches=1, released=1)
        assert await message(store, message_id) == before

    async def test_started_counts_a_recovery_and_no_try(self, store: Store) -> None:
        [message_id] = await keep(store)
        [[delivery]] = await claim(store)
        await lose(store, delivery.batch_id)
        assert await reclaim(store) == Reclaimed(batches=1, recovered=1)
        kept = await message(store, message_id)
        assert (kept.status, kept.tries, kept.recoveries) == (Status.FAILED, 0, 1)

    async def test_a_running_lease_is_left_alone(self, store: Store) -> None:
        await keep(store)
        [[delivery]] = await claim(store)
        await lose(store, delivery.batch_id)
        assert await store.batches.renew([delivery.batch_id]) == {delivery.batch_id}
        assert await reclaim(store) == Reclaimed()

    async def test_nothing_when_the_server_was_paused_since_the_poll(self, store: Store) -> None:
        await keep(store)
        [[delivery]] = await claim(store)
        await lose(store, delivery.batch_id)
        seen = await store.batches.expired(limit=100)
        long_ago = Expired(seen.seen_at - MINUTE, seen.server_started_at, seen.ids)
        assert await store.batches.reclaim(long_ago, max_age=timedelta(seconds=5), recoveries_allowed=5) == Reclaimed()

    async def test_recovered_messages_travel_in_tens_then_alone_and_the_poison_is_found(self, store: Store) -> None:
        await keep(store, 100)
        sizes = []
        for _ in range(5):
            # More consumers than messages: each delivers one at a time of what travels alone.
            offered = [Offer(new_id(), f"c{number}") for number in range(200)]
            claimed = await store.batches.claim(DEFAULT_CLAIM_LANES, offered, batch_size=100)
            consumers = {offer.batch_id: offer.consumer for offer in offered}
            sizes.append(sorted(batch.size for batch in claimed))
            assert all(batch.quarantined == (len(claimed) == 100) for batch in claimed)
            for batch in claimed:
                await store.batches.take(batch.id, consumer=consumers[batch.id])
                await lose(store, batch.id)
            reclaimed = await reclaim(store)
        assert sizes == [[100], [10] * 10, [1] * 100, [1] * 100, [1] * 100]
        assert reclaimed == Reclaimed(batches=100, poisoned=100)

    async def test_recovered_messages_do_not_mix_with_others(self, store: Store) -> None:
        lost = set(await keep(store, 10))
        [batch] = await claim(store)
        await lose(store, batch[0].batch_id)
        await reclaim(store)
        await keep(store, 30)
        batches = [{delivery.id for delivery in batch} for batch in await claim(store, 5)]
        assert lost in batches
        assert sorted(map(len, batches)) == [10, 30]

    async def test_heals_messages_whose_batch_is_gone(self, store: Store) -> None:
        ids = await keep(store, 3)
        await claim(store)
        async with store.database.pool.acquire() as connection:
            await connection.execute("DELETE FROM batches")
        assert await store.batches.heal_orphans(recoveries_allowed=5) == 3
        assert await store.batches.heal_orphans(recoveries_allowed=5) == 0
        assert {(await message(store, message_id)).status for message_id in ids} == {Status.FAILED}


class TestPacedQueues:
    @pytest.fixture(autouse=True)
    async def slow(self, store: Store) -> None:
        await store.queues.put("slow", active=True, interval_seconds=60, batch_size=2)

    async def pass_time(self, store: Store, seconds: float) -> None:
        async with store.database.pool.acquire() as connection:
            await connection.execute(
                "UPDATE queues SET last_claimed_at = last_claimed_at - make_interval(secs => $1)", seconds
            )

    async def claim(self, store: Store) -> list[UUID]:
        batches = await store.batches.claim_paced(offers(3), batch_size=100)
        return [d.id for b in batches for d in await store.batches.take(b.id, consumer="consumer")]

    async def test_first_at_once_then_two_in_each_interval_oldest_first(self, store: Store) -> None:
        ids = await keep(store, 5, queue="slow")
        assert await self.claim(store) == ids[:2]
        assert await self.claim(store) == []
        seconds = await store.batches.next_due()
        assert seconds is not None
        assert 58 < seconds <= 60
        await self.pass_time(store, 60)
        assert await self.claim(store) == ids[2:4]
        await self.pass_time(store, 61)
        assert await self.claim(store) == ids[4:]

    async def test_what_an_interval_has_left_is_given_to_latecomers(self, store: Store) -> None:
        first = await keep(store, 1, queue="slow")
        assert await self.claim(store) == first
        second = await keep(store, 2, queue="slow")
        assert await self.claim(store) == second[:1]
        assert await self.claim(store) == []

    async def test_producers_side_by_side_spend_an_allowance_once(self, store: Store) -> None:
        await keep(store, 20, queue="slow")
        taken = await asyncio.gather(*(self.claim(store) for _ in range(10)))
        assert sum(map(len, taken)) == 2

    async def test_without_a_limit_an_interval_takes_all_that_was_due_when_it_began(self, store: Store) -> None:
        await store.queues.put("slow", active=True, interval_seconds=60, batch_size=None)
        first = await keep(store, 150, queue="slow")
        assert sorted(await self.claim(store)) == sorted(first)
        later = await keep(store, 3, queue="slow")
        assert await self.claim(store) == []
        await self.pass_time(store, 61)
        assert await self.claim(store) == later

    async def test_without_a_limit_what_was_due_and_found_no_room_goes_at_once(self, store: Store) -> None:
        await store.queues.put("slow", active=True, interval_seconds=60, batch_size=None)
        await keep(store, 5, queue="slow")
        await store.batches.claim_paced(offers(1), batch_size=3)
        seconds = await store.batches.next_due()
        assert seconds is not None
        assert seconds <= 0
        assert len(await self.claim(store)) == 2
        await keep(store, queue="slow")
        seconds = await store.batches.next_due()
        assert seconds is not None
        assert 58 < seconds <= 60

    async def test_a_late_tick_keeps_the_rhythm(self, store: Store) -> None:
        await keep(store, 9, queue="slow")
        await self.claim(store)
        queue = await store.queues.get("slow")
        assert queue is not None
        assert queue.last_claimed_at is not None
        await self.pass_time(store, 60.5)
        await self.claim(store)
        after = await store.queues.get("slow")
        assert after is not None
        # Half a second late: the next interval is counted from when this one should have begun.
        assert after.last_claimed_at == queue.last_claimed_at - timedelta(seconds=0.5)

    async def test_the_next_tick_is_known_of_a_queue_that_waits_for_it(self, store: Store) -> None:
        async def next_ticks() -> list[datetime | None]:
            return [queue.next_tick_at for queue in await store.queues.list()]

        assert await next_ticks() == [None, None]
        await keep(store, queue="slow")
        await self.claim(store)
        queue = await store.queues.get("slow")
        assert queue is not None
        assert queue.last_claimed_at is not None
        assert queue.next_tick_at == queue.last_claimed_at + timedelta(seconds=60)
        assert await next_ticks() == [None, queue.next_tick_at]
        assert await store.queues.set_active("slow", active=True) == (queue, False)
        changed, _ = await store.queues.put("slow", active=None, interval_seconds=90, batch_size=2)
        assert changed.last_claimed_at is not None
        assert changed.next_tick_at == changed.last_claimed_at + timedelta(seconds=90)
        await self.pass_time(store, 91)
        assert await next_ticks() == [None, None]

    async def test_stopped_is_stopped(self, store: Store) -> None:
        await keep(store, 2, queue="slow")
        await store.queues.set_active("slow", active=False)
        assert await self.claim(store) == []


class TestMessages:
    async def test_a_missing_partition_is_made(self, store: Store) -> None:
        moment = utc_now() + timedelta(days=60)
        message_id = UUID(int=(int(moment.timestamp() * 1000) << 80) | (new_id().int & ((1 << 80) - 1)))
        await store.messages.insert([new_message(id=message_id, created_at=moment)])
        assert (await message(store, message_id)).status is Status.PENDING

    async def test_cancel_and_retry(self, store: Store) -> None:
        [message_id] = await keep(store, due_at=utc_now() + MINUTE)
        cancelled = await store.messages.cancel(message_id)
        assert cancelled is not None
        assert cancelled.cancel_reason is CancelReason.REQUESTED
        assert await store.messages.cancel(message_id) is None
        retried = await store.messages.retry(message_id)
        assert retried is not None
        assert (retried.status, retried.cancel_reason) == (Status.PENDING, None)
        assert retried.due_at <= utc_now()
        assert await store.messages.retry(message_id) is None

    async def test_expire(self, store: Store) -> None:
        [gone] = await keep(store, expires_at=utc_now() - MINUTE)
        [alive] = await keep(store, expires_at=utc_now() + MINUTE)
        assert await store.messages.expire(limit=10) == 1
        assert (await message(store, gone)).cancel_reason is CancelReason.EXPIRED
        assert (await message(store, alive)).status is Status.PENDING
