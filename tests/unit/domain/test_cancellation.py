"""Ending tasks for certain."""

import asyncio

import pytest

from tidings.domain import cancellation
from tidings.domain.cancellation import cancel_and_wait


async def test_a_task_ends_at_its_first_cancellation() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    await cancel_and_wait(task)
    assert task.cancelled()


async def test_a_task_that_loses_a_cancellation_ends_at_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "AGAIN_SECONDS", 0)
    started = asyncio.Event()
    lost = 0

    async def lose_two() -> None:
        nonlocal lost
        started.set()
        while lost < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(lose_two())
    await started.wait()
    await cancel_and_wait(task)
    assert lost == 2
    assert task.cancelled()


async def test_tasks_that_have_ended_are_left_alone() -> None:
    async def fail() -> None:
        raise ValueError("mine")

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    await cancel_and_wait(task)
    with pytest.raises(ValueError, match="mine"):
        task.result()


async def test_no_tasks_at_all() -> None:
    await cancel_and_wait()
