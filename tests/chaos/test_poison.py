"""A message that kills every consumer that delivers it."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos import poison
from tests.chaos.round import IN_FLIGHT, Round, row
from tests.eventually import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


@row("12", "a message whose delivery kills the consumer each time: it ends cancelled, the others arrive", short=True)
async def test_poison(chaos: Round, tmp_path: Path) -> None:
    installed = {"PYTHONPATH": poison.install(tmp_path)}
    await chaos.start(api=installed, consumers=[installed, installed])
    deaths = 0

    async def start_again() -> None:
        nonlocal deaths
        while True:
            for name, process in list(chaos.consumers.items()):
                if not process.running:
                    deaths += 1
                    await chaos.start_consumer(name, **installed)
            await asyncio.sleep(0.1)

    async def cancelled() -> bool:
        return bool((await chaos.balance()).cancelled)

    starter = asyncio.create_task(start_again())
    async with chaos.under_load() as fault:
        await chaos.flow.post(channel=poison.NAME, recipient="nobody")
        fault.repeats_anything = True
        await eventually(cancelled, within=200, every=0.5)
        fault.allowed = deaths * IN_FLIGHT
    starter.cancel()
    assert dict((await chaos.balance()).cancelled) == {"poison": 1}
    assert deaths == 5
