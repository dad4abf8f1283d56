"""tidings/domain/budget.py"""

import asyncio

from tidings.domain.budget import ByteBudget


class Borrower:
    """Holds bytes until it is told to give them back."""

    def __init__(self, budget: ByteBudget, size: int) -> None:
        self.has = asyncio.Event()
        self.done = asyncio.Event()
        self.task = asyncio.create_task(self._borrow(budget, size))

    async def _borrow(self, budget: ByteBudget, size: int) -> None:
        async with budget.lend(size):
            self.has.set()
            await self.done.wait()

    async def end(self) -> None:
        self.done.set()
        await self.task


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_for_more_than_is_left_waits_and_keeps_the_order() -> None:
    budget = ByteBudget(10)
    first, second, third = (Borrower(budget, size) for size in (6, 6, 1))
    await turns()
    assert (first.has.is_set(), second.has.is_set(), third.has.is_set()) == (True, False, False)
    await first.end()
    await turns()
    assert (second.has.is_set(), third.has.is_set()) == (True, True)
    await second.end()
    await third.end()


async def test_what_is_larger_than_all_passes_alone() -> None:
    budget = ByteBudget(10)
    small, large = Borrower(budget, 1), Borrower(budget, 1000)
    await turns()
    assert not large.has.is_set()
    await small.end()
    await turns()
    assert large.has.is_set()
    await large.end()


async def test_a_cancelled_one_takes_nothing_with_it() -> None:
    budget = ByteBudget(10)
    first, waiting, last = Borrower(budget, 10), Borrower(budget, 10), Borrower(budget, 10)
    await turns()
    waiting.task.cancel()
    # Granted and cancelled in the same turn of the event loop.
    first.done.set()
    await asyncio.wait([first.task, waiting.task])
    await turns()
    assert last.has.is_set()
    last.task.cancel()
    await asyncio.wait([last.task])
    async with asyncio.timeout(1):
        async with budget.lend(10):
            pass
