"""consumers/ageing.py: what has been in flight for long, with a clock of the test's own."""

import asyncio

from consumers.ageing import AGAIN_SECONDS, Ageing


class Moved:
    def __init__(self) -> None:
        self.now = 100.0
        self.taken: list[str] = []
        self.room = 10
        self.some = asyncio.Event()
        self.ageing: Ageing[str] = Ageing(1.0, self.move, clock=lambda: self.now)

    def move(self, delivery: str) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.taken.append(delivery)
        self.some.set()
        return True


async def test_the_oldest_are_handed_over_and_the_next_is_waited_for() -> None:
    moved = Moved()
    for name, began in (("a", 100.0), ("b", 100.2), ("ended", 100.3), ("c", 100.6)):
        moved.ageing.begin(name, began)
    moved.ageing.end("ended")
    left = moved.ageing.hand_over(101.3)
    assert moved.taken == ["a", "b"]
    assert left is not None
    assert abs(left - 0.3) < 1e-6
    assert moved.ageing.hand_over(101.6) is None
    assert (moved.taken, len(moved.ageing)) == (["a", "b", "c"], 0)
    # One that was handed over may end too.
    moved.ageing.end("a")


async def test_what_cannot_be_moved_is_handed_over_again() -> None:
    moved = Moved()
    moved.room = 1
    moved.ageing.begin("a", 100.0)
    moved.ageing.begin("b", 100.0)
    assert moved.ageing.hand_over(105.0) == AGAIN_SECONDS
    assert moved.taken == ["a"]
    moved.room = 1
    assert moved.ageing.hand_over(105.0) is None
    assert moved.taken == ["a", "b"]


async def test_the_timer_looks_by_itself() -> None:
    moved = Moved()
    moved.ageing = Ageing(0.01, moved.move, clock=asyncio.get_running_loop().time)
    moved.ageing.begin("a", asyncio.get_running_loop().time())
    await asyncio.wait_for(moved.some.wait(), timeout=10)
    moved.some.clear()
    moved.ageing.begin("b", asyncio.get_running_loop().time())
    await asyncio.wait_for(moved.some.wait(), timeout=10)
    assert moved.taken == ["a", "b"]
