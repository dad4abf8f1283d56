"""The producer's alarm clock, with the time in our hands."""

import asyncio

from producer.wakeup import Wakeup


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_rings_at_once_at_first_and_then_after_the_poll_interval() -> None:
    clock = Clock()
    wakeup = Wakeup(poll_interval=1.0, clock=clock)
    await asyncio.wait_for(wakeup.sleep(), timeout=1)
    clock.now += 1.0
    await asyncio.wait_for(wakeup.sleep(), timeout=1)


async def test_is_put_forward_while_asleep() -> None:
    clock = Clock()
    wakeup = Wakeup(poll_interval=1000.0, clock=clock)
    await wakeup.sleep()
    asleep = asyncio.create_task(wakeup.sleep())
    await asyncio.sleep(0)
    wakeup.within(0)
    await asyncio.wait_for(asleep, timeout=1)


async def test_is_put_forward_before_it_sleeps() -> None:
    clock = Clock()
    wakeup = Wakeup(poll_interval=1000.0, clock=clock)
    await wakeup.sleep()
    wakeup.within(-3)
    await asyncio.wait_for(wakeup.sleep(), timeout=1)


async def test_is_never_put_back() -> None:
    clock = Clock()
    wakeup = Wakeup(poll_interval=1000.0, clock=clock)
    await wakeup.sleep()
    wakeup.within(5)
    wakeup.within(50)
    clock.now += 5
    await asyncio.wait_for(wakeup.sleep(), timeout=1)
