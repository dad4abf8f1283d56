"""Any interleaving of what happens to messages and batches keeps the store's promises.

A state machine over the store alone: several fake consumers take, record, lose and come back late, while messages are
inserted, claimed, cancelled, retried and reclaimed. After each step the books are checked.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from consumers import outcomes
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, new_message, offers
from tidings.channels.base import Accepted, Rejected, Result, Retry
from tidings.domain.message import Delivery, Priority
from tidings.domain.retry import RetryPolicy
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now

T = TypeVar("T")

CONSUMERS = ("one", "two", "three")
POLICY = RetryPolicy(delays=(0.0,), jitter=0.0)
RECOVERIES_ALLOWED = 4
RESULTS: dict[str, Result] = {
    "accepted": Accepted(status_code=202),
    "retry": Retry(error="503", status_code=503),
    "rejected": Rejected(error="400", status_code=400),
}

BOOKS = """
SELECT
    (SELECT count(*) FROM messages) AS kept,
    (SELECT array_agg(id) FROM messages WHERE status = 'sent') AS sent,
    (SELECT count(*) FROM messages WHERE tries > max_tries) AS overtried,
    (SELECT count(*) FROM messages WHERE recoveries > $1) AS overrecovered,
    (SELECT count(*) FROM messages WHERE status = 'processing'
        AND NOT EXISTS (SELECT FROM batches WHERE batches.id = messages.batch_id)) AS orphans,
    (SELECT count(*) FROM messages WHERE status = 'sent'
        AND NOT EXISTS (SELECT FROM attempts WHERE message_id = messages.id AND outcome = 'accepted')) AS unexplained,
    (SELECT count(*) FROM attempts) AS attempts
"""


class StoreMachine(RuleBasedStateMachine):
    """What the store is asked to do, and what must hold after each step."""

    store: Store
    runner: asyncio.Runner

    batches = Bundle("batches")
    hands = Bundle("hands")

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize()
    def empty(self) -> None:
        self.ids: list[UUID] = []
        self.sent: set[UUID] = set()
        self.requested: set[UUID] = set()
        self.run(self._execute("TRUNCATE messages, batches, attempts"))

    @rule(count=st.integers(1, 5), priority=st.sampled_from(Priority), max_tries=st.integers(1, 3))
    def insert(self, count: int, priority: Priority, max_tries: int) -> None:
        messages = [new_message(priority=priority, max_tries=max_tries) for _ in range(count)]
        assert self.run(self.store.messages.insert(messages)) == {message.id for message in messages}
        self.ids += [message.id for message in messages]

    @rule(target=batches, consumer=st.sampled_from(CONSUMERS), slots=st.integers(1, 4), size=st.integers(1, 3))
    def claim(self, consumer: str, slots: int, size: int) -> Any:
        made = self.run(self.store.batches.claim(DEFAULT_CLAIM_LANES, offers(slots, consumer), batch_size=size))
        assert len(made) <= slots
        assert all(0 < batch.size <= size for batch in made)
        return multiple(*((batch.id, consumer) for batch in made))

    @rule(target=hands, batch=batches)
    def take(self, batch: tuple[UUID, str]) -> Any:
        batch_id, consumer = batch
        taken = self.run(self.store.batches.take(batch_id, consumer=consumer))
        assert not {delivery.id for delivery in taken} & self.requested
        return multiple(*((delivery, consumer) for delivery in taken))

    @rule(batch=batches)
    def take_as_another(self, batch: tuple[UUID, str]) -> None:
        batch_id, consumer = batch
        another = CONSUMERS[(CONSUMERS.index(consumer) + 1) % len(CONSUMERS)]
        assert self.run(self.store.batches.take(batch_id, consumer=another)) == []

    @rule(hand=consumes(hands), result=st.sampled_from(sorted(RESULTS)), answer_lost=st.booleans())
    def record(self, hand: tuple[Delivery, str], result: str, answer_lost: bool) -> None:
        delivery, consumer = hand
        outcome = outcomes.conclude(
            delivery, RESULTS[result], policy=POLICY, consumer=consumer, started_at=utc_now(), duration=0.0
        )
        recorded = self.run(self.store.batches.record([outcome], closed=[], consumer=consumer))
        if answer_lost:
            assert self.run(self.store.batches.record([outcome], closed=[], consumer=consumer)) == set()
        if recorded and outcome.status is Status.SENT:
            assert delivery.id not in self.sent
            self.sent.add(delivery.id)

    @rule(hand=consumes(hands))
    def give_back(self, hand: tuple[Delivery, str]) -> None:
        delivery, consumer = hand
        self.run(self.store.batches.record([outcomes.returned(delivery)], closed=[], consumer=consumer))

    @rule(batch=batches)
    def release(self, batch: tuple[UUID, str]) -> None:
        self.run(self.store.batches.release([batch[0]]))

    @rule(batch=batches)
    def let_the_lease_run_out(self, batch: tuple[UUID, str]) -> None:
        self.run(self._execute(f"UPDATE batches SET lease_until = now() - interval '1 s' WHERE id = '{batch[0]}'"))

    @rule(batch=batches)
    def renew(self, batch: tuple[UUID, str]) -> None:
        self.run(self.store.batches.renew([batch[0]]))

    @rule()
    def reclaim(self) -> None:
        expired = self.run(self.store.batches.expired(limit=100))
        reclaimed = self.run(
            self.store.batches.reclaim(expired, max_age=timedelta(minutes=1), recoveries_allowed=RECOVERIES_ALLOWED)
        )
        assert reclaimed.batches == len(expired.ids)

    @rule()
    def heal(self) -> None:
        assert self.run(self.store.batches.heal_orphans(recoveries_allowed=RECOVERIES_ALLOWED)) == 0

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self._change(data, self.store.messages.cancel, self.requested.add)

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        self._change(data, self.store.messages.retry, self.requested.discard)

    def _change(
        self,
        data: st.DataObject,
        change: Callable[[UUID], Coroutine[Any, Any, object]],
        note: Callable[[UUID], None],
    ) -> None:
        if self.ids:
            message_id = data.draw(st.sampled_from(self.ids))
            if self.run(change(message_id)) is not None:
                note(message_id)

    @rule(active=st.booleans())
    def switch_the_queue(self, active: bool) -> None:
        self.run(self.store.queues.set_active("default", active=active))

    @invariant()
    def the_books_are_right(self) -> None:
        books = self.run(self._books())
        assert books["kept"] == len(self.ids)
        assert set(books["sent"] or ()) == self.sent
        assert books["overtried"] == 0
        assert books["overrecovered"] == 0
        assert books["orphans"] == 0
        assert books["unexplained"] == 0

    def teardown(self) -> None:
        """However it stood: once everything that is lost is reclaimed, every message can still reach its end."""
        self.run(self._finish())

    async def _finish(self) -> None:
        store = self.store
        await store.queues.set_active("default", active=True)
        for _ in range(RECOVERIES_ALLOWED + 4):
            await self._execute("UPDATE batches SET lease_until = now() - interval '1 s'")
            await store.batches.reclaim(
                await store.batches.expired(limit=1000),
                max_age=timedelta(minutes=1),
                recoveries_allowed=RECOVERIES_ALLOWED,
            )
            for batch in await store.batches.claim(DEFAULT_CLAIM_LANES, offers(100, "last"), batch_size=10):
                taken = await store.batches.take(batch.id, consumer="last")
                done = [
                    outcomes.conclude(
                        delivery, Accepted(), policy=POLICY, consumer="last", started_at=utc_now(), duration=0.0
                    )
                    for delivery in taken
                ]
                await store.batches.record(done, closed=[batch.id], consumer="last")
        async with store.database.pool.acquire() as connection:
            unfinished = await connection.fetchval(
                "SELECT count(*) FROM messages WHERE status NOT IN ('sent', 'cancelled')"
            )
            batches = await connection.fetchval("SELECT count(*) FROM batches")
        assert unfinished == 0
        assert batches == 0

    async def _execute(self, statement: str) -> None:
        async with self.store.database.pool.acquire() as connection:
            await connection.execute(statement)

    async def _books(self) -> Any:
        async with self.store.database.pool.acquire() as connection:
            return await connection.fetchrow(BOOKS, RECOVERIES_ALLOWED)


@pytest.mark.timeout(120)
def test_every_interleaving_keeps_the_books(postgres_uri: str) -> None:
    with asyncio.Runner() as runner:
        store = runner.run(Store.connect(postgres_uri, process="test", lease_seconds=3600))
        StoreMachine.store = store
        StoreMachine.runner = runner
        try:
            run_state_machine_as_test(
                StoreMachine,
                settings=settings(
                    max_examples=40,
                    stateful_step_count=40,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    database=None,
                ),
            )
        finally:
            runner.run(store.close())
