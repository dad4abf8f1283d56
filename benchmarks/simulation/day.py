"""One day over several cells, with or without a cell that is lost at noon."""

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from benchmarks.simulation import virtual_time
from benchmarks.simulation.books import Books
from benchmarks.simulation.cell import Cell, Size
from benchmarks.simulation.receivers import receivers
from benchmarks.simulation.routing import Routing
from benchmarks.simulation.traffic import HOUR, KINDS, MINUTE, Kind, Message, busiest_rate, messages
from tidings.domain.retry import RetryPolicy
from tidings.settings import Settings

LOOK_SECONDS: Final = 10.0
CAUGHT_UP_SECONDS: Final = 10.0
"""A cell has caught up when nothing is overdue for longer."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated; times are seconds of the day."""

    messages: int = 100_000_000
    cells: int = 4
    consumers: int = 8
    """In each cell."""
    headroom: float = 1.5
    """How many times its share of the busiest hour a cell can work through."""
    lost_at: float | None = 12 * HOUR
    """When the first cell is lost; None: never."""
    noticed_after: float = 30.0
    """Until then its clients are not answered; they hand in again what they had for it when the others take over."""
    back_after: float = HOUR
    weight: int = 250
    seed: int = 1

    @property
    def cell_rate(self) -> float:
        """Messages a second that a cell can work through."""
        return self.headroom * busiest_rate(self.messages) / self.cells

    @property
    def back_at(self) -> float | None:
        return None if self.lost_at is None else self.lost_at + self.back_after


class Day(msgspec.Struct, frozen=True):
    """What came of it."""

    plan: Plan
    books: Books
    lost: str | None
    """Name of the cell that was lost."""
    caught_up_at: float | None
    """When the cell that was lost had caught up and took new messages again."""
    in_flight_at_loss: int
    """Simulated messages that the lost cell had in flight."""
    routing: Routing


def simulate(plan: Plan) -> Day:
    """The same plan gives the same day."""
    return virtual_time.run(_Simulation(plan).run())


class _Simulation:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._chance = random.Random(plan.seed)
        self._books = Books(plan.weight)
        self._cells: dict[str, Cell] = {}
        self._refused: list[Message] = []
        self._caught_up_at: float | None = None
        self._in_flight_at_loss = 0

    async def run(self) -> Day:
        plan, settings = self._plan, Settings()
        size = Size(consumers=plan.consumers, rate=plan.cell_rate, weight=plan.weight)
        receiver = receivers(weight=plan.weight, timeout=settings.delivery_timeout, chance=self._chance)
        policy = RetryPolicy(
            delays=settings.retry_delays,
            jitter=settings.retry_jitter,
            random=random.Random(self._chance.random()).random,
        )
        names = [f"cell {number}" for number in range(plan.cells)]
        self._routing = Routing(names)
        for name in names:
            self._cells[name] = Cell(
                name, size=size, settings=settings, policy=policy, receiver=receiver, books=self._books
            )
        async with asyncio.TaskGroup() as tasks:
            for cell in self._cells.values():
                cell.start(tasks)
            clients = [tasks.create_task(self._hand_in(traffic)) for traffic in self._traffic()]
            watch = tasks.create_task(self._watch())
            if plan.lost_at is not None:
                tasks.create_task(self._lose(self._cells[names[0]], plan.lost_at, tasks))
            await asyncio.wait(clients)
            await _until(lambda: self._books.everything_ended)
            watch.cancel()
            for cell in self._cells.values():
                await cell.lose()
        lost = None if plan.lost_at is None else names[0]
        return Day(plan, self._books, lost, self._caught_up_at, self._in_flight_at_loss, self._routing)

    def _traffic(self) -> Iterator[Iterator[Message]]:
        first = 0
        for kind in KINDS:
            count = self._count(kind)
            yield messages(kind, count, first, random.Random(self._chance.random()))
            first += count

    def _count(self, kind: Kind) -> int:
        return self._plan.messages * kind.percent // 100 // self._plan.weight

    async def _hand_in(self, traffic: Iterator[Message]) -> None:
        clock = asyncio.get_running_loop().time
        for message in traffic:
            wait = message.wanted_at - message.kind.ahead - clock()
            if wait > 0:
                await asyncio.sleep(wait)
            self._books.begin(message)
            self._accept(message)

    def _accept(self, message: Message) -> None:
        cell = self._cells[self._routing.cell(message.user)]
        if cell.alive:
            cell.put(message)
        else:
            self._refused.append(message)

    async def _lose(self, cell: Cell, at: float, tasks: asyncio.TaskGroup) -> None:
        await asyncio.sleep(at)
        self._in_flight_at_loss = cell.in_flight
        await cell.lose()
        await asyncio.sleep(self._plan.noticed_after)
        self._routing.close(cell.name)
        refused, self._refused = self._refused, []
        for message in refused:
            self._accept(message)
        await asyncio.sleep(self._plan.back_after - self._plan.noticed_after)
        clock = asyncio.get_running_loop().time
        cell.start(tasks)
        await _until(lambda: cell.table.behind(clock()) <= CAUGHT_UP_SECONDS)
        self._caught_up_at = clock()
        self._routing.open(cell.name)

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            now = clock()
            for name, cell in self._cells.items():
                self._books.look(now, name, waiting=cell.table.overdue(now), behind=cell.table.behind(now))
            await asyncio.sleep(MINUTE)


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  (in virtual time it costs nothing to look again and again)
        await asyncio.sleep(LOOK_SECONDS)
