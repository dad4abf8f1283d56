"""consumers/leases.py: a batch that its own last outcome deletes is not lost, one that another took is."""

import asyncio
from collections.abc import Sequence
from typing import cast
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from consumers import outcomes
from consumers.leases import Leases
from consumers.recorder import OutcomeRecorder
from sql.store import Store
from tests.factories import new_delivery
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.message import Outcome


class Batches:
    """A table of batches. What a statement did is there at once; its answer comes when the test lets it."""

    def __init__(self, *batch_ids: UUID) -> None:
        self.rows = set(batch_ids)
        self.recorded = asyncio.Event()
        """Set when outcomes are written."""
        self.answer_record = asyncio.Event()
        self.renewing = asyncio.Event()
        """Set when a renewal is on its way, which ends when `renew_now` is set."""
        self.renew_now = asyncio.Event()

    async def record(self, group: Sequence[Outcome], *, closed: Sequence[UUID], consumer: str) -> set[UUID]:
        self.rows -= set(closed)
        self.recorded.set()
        await self.answer_record.wait()
        return {outcome.message_id for outcome in group}

    async def renew(self, ids: Sequence[UUID]) -> set[UUID]:
        self.renewing.set()
        await self.renew_now.wait()
        return self.rows & set(ids)


class Bench:
    def __init__(self, *, left: int = 1) -> None:
        self.delivery = new_delivery()
        self.batches = Batches(self.delivery.batch_id)
        store = cast("Store", self)
        self.leases = Leases(store, lease_seconds=30, renewal_seconds=5, clock=lambda: 0.0)
        self.recorder = OutcomeRecorder(
            store, consumer="c", backlog=100, on_closing=self.leases.closing, on_closed=self.leases.close
        )
        self.batch = self.leases.open(self.delivery.batch_id, size=left, since=0.0)

    def end(self) -> None:
        self.batch.left -= 1
        self.recorder.put(outcomes.returned(self.delivery), closes_batch=self.batch.left == 0)


@pytest.mark.parametrize("asked_before", [True, False])
async def test_a_renewal_that_misses_a_batch_which_is_being_closed_is_no_loss(asked_before: bool) -> None:
    bench = Bench()
    writing = asyncio.create_task(bench.recorder.run())
    if asked_before:
        renewal = asyncio.create_task(bench.leases.renew())
        await bench.batches.renewing.wait()
    bench.end()
    await bench.batches.recorded.wait()
    if not asked_before:
        renewal = asyncio.create_task(bench.leases.renew())
    bench.batches.renew_now.set()
    with capture_logs() as logged:
        # Its answer overtakes the one of the statement that deleted the batch.
        await renewal
    assert (logged, bench.leases.lost, len(bench.leases)) == ([], 0, 1)
    bench.batches.answer_record.set()
    await bench.batch.through.wait()
    assert len(bench.leases) == 0
    await cancel_and_wait(writing)


async def test_a_batch_that_is_gone_while_outcomes_are_missing_or_wait_is_lost() -> None:
    for left in (1, 2):
        bench = Bench(left=left)
        # Nobody writes: the outcome waits.
        bench.end()
        bench.batches.rows.clear()
        bench.batches.renew_now.set()
        with capture_logs() as logged:
            await bench.leases.renew()
        assert [line["left"] for line in logged] == [left - 1]
        assert (bench.leases.lost, len(bench.leases)) == (1, 0)
