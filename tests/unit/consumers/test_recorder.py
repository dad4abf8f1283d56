"""Grouped writes of outcomes: Postgres away, Postgres refusing, and the order of things."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from consumers import outcomes, recorder
from consumers.recorder import OutcomeRecorder
from sql.store import Store
from tests.factories import new_delivery
from tidings.domain.message import Outcome


class FakeBatches:
    """Takes what `judge` lets through."""

    def __init__(self) -> None:
        self.groups: list[list[UUID]] = []
        self.away = 0
        self.poison: UUID | None = None

    async def record(self, group: Sequence[Outcome], *, closed: Sequence[UUID], consumer: str) -> set[UUID]:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise ConnectionRefusedError("away")
        ids = [outcome.message_id for outcome in group]
        if self.poison in ids:
            raise asyncpg.DataError("no")
        self.groups.append(ids)
        return set(ids)


class FakeStore:
    def __init__(self) -> None:
        self.batches = FakeBatches()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


async def run(store: FakeStore, count: int, *, closing: bool = True) -> tuple[list[Outcome], list[UUID]]:
    """Records that many outcomes; returns them, and the batches that were closed."""
    closed: list[UUID] = []
    closing_now: list[UUID] = []
    under_test = OutcomeRecorder(
        cast("Store", store), consumer="c", backlog=100, on_closing=closing_now.extend, on_closed=closed.extend
    )
    task = asyncio.create_task(under_test.run())
    made = [outcomes.returned(new_delivery()) for _ in range(count)]
    if store.batches.poison is not None:
        made[count // 2] = outcomes.returned(new_delivery(id=store.batches.poison))
    for outcome in made:
        under_test.put(outcome, closes_batch=closing)
    await under_test.written()
    assert under_test.accepting
    task.cancel()
    assert set(closed) <= set(closing_now)
    return made, closed


async def test_groups_hold_what_came_together_up_to_500(store: FakeStore) -> None:
    made, closed = await run(store, 1200)
    assert [len(group) for group in store.batches.groups] == [500, 500, 200]
    assert [message_id for group in store.batches.groups for message_id in group] == [o.message_id for o in made]
    assert closed == [outcome.batch_id for outcome in made]


async def test_outcomes_wait_while_postgres_is_away(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "AWAY_SECONDS", 0)
    store.batches.away = 3
    made, closed = await run(store, 10)
    assert store.batches.groups == [[outcome.message_id for outcome in made]]
    assert len(closed) == 10


async def test_intake_stops_while_postgres_is_away_or_too_much_waits(store: FakeStore) -> None:
    under_test = OutcomeRecorder(
        cast("Store", store), consumer="c", backlog=5, on_closing=lambda _: None, on_closed=lambda _: None
    )
    for _ in range(5):
        assert under_test.accepting
        under_test.put(outcomes.returned(new_delivery()), closes_batch=False)
    assert not under_test.accepting


async def test_an_outcome_that_postgres_refuses_does_not_hold_up_the_others(store: FakeStore) -> None:
    store.batches.poison = new_delivery().id
    made, closed = await run(store, 9)
    written: set[Any] = {message_id for group in store.batches.groups for message_id in group}
    assert written == {outcome.message_id for outcome in made} - {store.batches.poison}
    # Its batch is closed all the same: it comes back as an orphan.
    assert len(closed) == 9
