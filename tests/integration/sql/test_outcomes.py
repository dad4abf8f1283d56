"""What is remembered of an attempt, whatever day it is and whoever's clock it was measured by."""

from datetime import datetime, timedelta

import msgspec

from consumers import outcomes
from sql.store import Store
from tests.factories import keep
from tests.integration.sql.test_batches import claim, message, sent
from tidings.domain.message import Outcome
from tidings.domain.states import HeldReason, Status
from tidings.domain.timestamps import utc_now


async def test_a_try_without_an_answer_is_told_to_the_next(store: Store) -> None:
    answered, silent = await keep(store, 2)
    [deliveries] = await claim(store)
    assert not any(delivery.possible_duplicate for delivery in deliveries)
    failed = [
        Outcome(
            message_id=delivery.id,
            batch_id=delivery.batch_id,
            status=Status.FAILED,
            tries=1,
            due_at=utc_now(),
            unanswered=delivery.id == silent,
        )
        for delivery in deliveries
    ]
    await store.batches.record(failed, closed=[deliveries[0].batch_id], consumer="consumer")
    [again] = await claim(store)
    assert {delivery.id: delivery.possible_duplicate for delivery in again} == {answered: False, silent: True}
    # A later try that is answered makes the earlier one no better.
    answers = [
        Outcome(message_id=d.id, batch_id=d.batch_id, status=Status.FAILED, tries=2, due_at=utc_now()) for d in again
    ]
    await store.batches.record(answers, closed=[again[0].batch_id], consumer="consumer")
    [third] = await claim(store)
    assert {delivery.id: delivery.possible_duplicate for delivery in third} == {answered: False, silent: True}


async def test_a_delivery_knows_since_when_it_has_waited_untried(store: Store) -> None:
    await keep(store, created_at=utc_now() - timedelta(days=30))
    since = set()
    for reason in (HeldReason.RATE, HeldReason.OURS, None):
        [[delivery]] = await claim(store)
        since.add(delivery.held_since)
        untried = outcomes.returned(delivery, due_at=utc_now(), held_reason=reason)
        await store.batches.record([untried], closed=[delivery.batch_id], consumer="consumer")
    # Not before it was held, and from then on the same moment.
    [first] = since - {None}
    assert first is not None
    assert utc_now() - first < timedelta(minutes=1)
    # What is not held any more begins again.
    [[delivery]] = await claim(store)
    assert (len(since), delivery.held_since) == (2, None)


async def test_a_day_without_a_partition_gets_one(store: Store) -> None:
    [message_id] = await keep(store)
    [[delivery]] = await claim(store)
    outcome = sent(delivery)
    assert outcome.attempt is not None
    async with store.database.pool.acquire() as connection:
        await connection.execute(f"DROP TABLE attempts_{outcome.attempt.started_at:%Y%m%d}")
    assert await store.batches.record([outcome], closed=[delivery.batch_id], consumer="consumer") == {message_id}
    [kept] = await store.messages.attempts(await message(store, message_id))
    assert kept == outcome.attempt


async def test_a_try_by_a_clock_that_is_behind_is_shown(store: Store) -> None:
    [message_id] = await keep(store)
    [[delivery]] = await claim(store)
    outcome = sent(delivery)
    assert outcome.attempt is not None
    early = _earlier(outcome, delivery.created_at - timedelta(seconds=5))
    await store.batches.record([early], closed=[delivery.batch_id], consumer="consumer")
    [kept] = await store.messages.attempts(await message(store, message_id))
    assert kept == early.attempt


def _earlier(outcome: Outcome, started_at: datetime) -> Outcome:
    assert outcome.attempt is not None
    return msgspec.structs.replace(outcome, attempt=msgspec.structs.replace(outcome.attempt, started_at=started_at))
