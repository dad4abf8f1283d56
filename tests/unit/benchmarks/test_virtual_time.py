"""benchmarks/simulation/virtual_time.py"""

import asyncio
import time

import pytest

from benchmarks.simulation import virtual_time


def test_a_day_of_sleep_takes_no_time_and_everybody_wakes_in_order() -> None:
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(sleeper("late", 86_400), sleeper("soon", 0.001), sleeper("noon", 43_200))

    began = time.monotonic()
    virtual_time.run(main())
    assert time.monotonic() - began < 10
    assert [name for name, _ in woken] == ["soon", "noon", "late"]
    assert [at for _, at in woken] == pytest.approx([0.001, 43_200, 86_400])


def test_timeouts_are_virtual_too() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == pytest.approx(3600)


def test_waiting_for_nothing_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(virtual_time.StalledError):
        virtual_time.run(main())


def test_what_a_callback_raises_ends_the_run() -> None:
    def fail() -> None:
        raise ValueError("from a timer")

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, fail)
        await asyncio.sleep(10)

    with pytest.raises(ValueError, match="from a timer"):
        virtual_time.run(main())
