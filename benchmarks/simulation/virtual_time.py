"""An event loop without waiting: where all tasks wait, its clock jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StalledError(Exception):
    """Everybody waits, and no timer will ever wake them."""


class _Jump(selectors.SelectSelector):
    """Instead of waiting for sockets, of which there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StalledError
        self.now += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its `time()` begins at 0 and has nothing to do with any clock."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end, in virtual time. Raises StalledError, and what a timer's callback raised."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_heeding_callbacks(main))


async def _heeding_callbacks(main: Coroutine[Any, Any, T]) -> T:
    """A loop by itself would log what a callback raises, and go on."""
    task = asyncio.current_task()
    assert task is not None
    raised: list[BaseException] = []

    def stop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        raised.append(context.get("exception") or RuntimeError(context["message"]))
        task.cancel()

    asyncio.get_running_loop().set_exception_handler(stop)
    try:
        return await main
    except asyncio.CancelledError:
        if raised:
            raise raised[0] from None
        raise
