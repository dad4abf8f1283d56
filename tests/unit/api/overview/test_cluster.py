"""Counting rarely: every 2 s, and a twentieth of the time."""

from typing import cast

from api.overview.cluster import COUNTED_UP_TO, EVERY_SECONDS, REST, QueueDepths
from sql.queues import QueueStore
from tidings.observability.reports import Depth


class Queues:
    """Takes `seconds` to count."""

    def __init__(self) -> None:
        self.now = 100.0
        self.seconds = 0.01
        self.counted = 0

    async def depths(self, *, limit: int) -> dict[str, Depth]:
        assert limit == COUNTED_UP_TO + 1
        self.now += self.seconds
        self.counted += 1
        return {"default": Depth(self.counted, 0, 0)}


async def test_a_count_is_good_for_a_while() -> None:
    queues = Queues()
    depths = QueueDepths(cast("QueueStore", queues), clock=lambda: queues.now)
    assert await depths.get() == await depths.get() == {"default": Depth(1, 0, 0)}
    queues.now += EVERY_SECONDS
    assert await depths.get() == {"default": Depth(2, 0, 0)}


async def test_a_count_that_took_long_is_good_for_longer() -> None:
    queues = Queues()
    depths = QueueDepths(cast("QueueStore", queues), clock=lambda: queues.now)
    queues.seconds = 1.0
    await depths.get()
    queues.now += REST - 0.1
    await depths.get()
    assert queues.counted == 1
    queues.now += 0.1
    await depths.get()
    assert queues.counted == 2
