"""How long one request holds the event loop, in which every other request waits meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

LONGEST_SECONDS = 0.05


class Holding:
    """The longest step of the loop so far, in seconds of its thread: how busy the machine is changes little."""

    def __init__(self) -> None:
        self.longest = 0.0


@contextmanager
def watched() -> Iterator[Holding]:
    holding, run = Holding(), asyncio.events.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        started = time.thread_time()
        try:
            run(handle)
        finally:
            holding.longest = max(holding.longest, time.thread_time() - started)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.events.Handle, "_run", timed)
        yield holding


async def longest_step(act: Callable[[], Awaitable[object]]) -> float:
    """Of what `act` does, in seconds; the least of three where it is too long, since Python also collects garbage."""
    least = float("inf")
    for _ in range(3):
        await asyncio.sleep(0)  # what came before is another step
        with watched() as holding:
            await act()
        least = min(least, holding.longest)
        if least <= LONGEST_SECONDS:
            break
    return least
