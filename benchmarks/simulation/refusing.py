"""A backlog for a gateway that answers 429 to whatever is over its rate: what its rate and the concurrency make of it.

At full resolution: a simulated message is a message, of one consumer.
"""

import asyncio
import random
from typing import Final

import msgspec

from benchmarks.simulation import virtual_time
from benchmarks.simulation.books import Books
from benchmarks.simulation.cell import Cell, Size
from benchmarks.simulation.traffic import Kind, Message
from tidings.channels.base import About, Accepted, Result, Retry
from tidings.domain.retry import RetryPolicy
from tidings.settings import Settings

SECONDS: Final = 0.15
"""How long the gateway takes for a message."""
CONSUMER_RATE: Final = 5_000.0
LOOK_SECONDS: Final = 1.0


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """So many messages, due at once."""

    messages: int = 100_000
    rate: int = 100
    """Messages a second that the gateway takes, and at once after a second's rest."""
    concurrency: int
    """IN_FLIGHT_PER_DESTINATION."""
    seed: int = 1


class Refusals(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    case: Case
    ends: dict[str, int]
    refused: int
    """Attempts that were answered 429."""
    seconds: float
    """Until the last message had ended."""


class RefusingReceiver:
    """A token bucket that holds a second's worth."""

    def __init__(self, rate: int) -> None:
        self.refused = 0
        self._rate = rate
        self._tokens = float(rate)
        self._at = 0.0

    def answer(self, now: float) -> tuple[float, Result]:
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self._rate)
        self._at = now
        if self._tokens < 1:
            self.refused += 1
            return SECONDS / 5, Retry(error="answered 429", status_code=429, about=About.PACE)
        self._tokens -= 1
        return SECONDS, Accepted(status_code=202)


def simulate(case: Case) -> Refusals:
    return virtual_time.run(_run(case))


async def _run(case: Case) -> Refusals:
    settings = msgspec.structs.replace(Settings(), in_flight_per_destination=case.concurrency)
    books, gateway = Books(1), RefusingReceiver(case.rate)
    async with asyncio.TaskGroup() as tasks:
        cell = Cell(
            "cell",
            size=Size(consumers=1, rate=CONSUMER_RATE, weight=1),
            settings=settings,
            policy=RetryPolicy(
                delays=settings.retry_delays, jitter=settings.retry_jitter, random=random.Random(case.seed).random
            ),
            receiver=lambda _: gateway,
            books=books,
        )
        kind = Kind(name="texts", channel="sms", percent=100)
        for number in range(case.messages):
            message = Message(number, kind, 0, "sms 0", 0.0)
            books.begin(message)
            cell.put(message)
        cell.start(tasks)
        while not books.everything_ended:  # noqa: ASYNC110  (virtual time)
            await asyncio.sleep(LOOK_SECONDS)
        seconds = asyncio.get_running_loop().time()
        await cell.lose()
    return Refusals(case=case, ends=dict(sorted(books.ends.items())), refused=gateway.refused, seconds=seconds)
