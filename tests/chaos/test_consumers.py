"""Consumers are killed and paused."""

import asyncio
import signal
import time

import pytest

from tests.chaos.round import IN_FLIGHT, Round, row

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


@row("1", "SIGKILL a consumer", recovered_within=15, short=True)
async def test_sigkill_of_a_consumer(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        victim = chaos.rng.choice(["c1", "c2"])
        fault.over()
        fault.may_repeat = await chaos.kill(victim)


@row("2", "SIGKILL all consumers", recovered_within=15)
async def test_sigkill_of_all_consumers(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        fault.may_repeat = await chaos.kill("c1", "c2")
        await chaos.moment()
        fault.over()
        await asyncio.gather(chaos.start_consumer("c1"), chaos.start_consumer("c2"))


@row("11", "a consumer paused past its lease, then continued", recovered_within=15, short=True)
async def test_pause_of_a_consumer_past_its_lease(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        paused = chaos.consumers["c1"]
        paused.signal(signal.SIGSTOP)
        fault.over()
        fault.may_repeat = await chaos.books.in_hands(["c1"])
        # What it was about to send when it was stopped, it sends when it goes on; that is part of what was in flight.
        fault.allowed = IN_FLIGHT + await chaos.answered_but_unrecorded("c1", by=time.time())
        await asyncio.sleep(chaos.settings.lease_seconds + chaos.settings.reconcile_seconds + chaos.rng.uniform(1, 4))
        paused.signal(signal.SIGCONT)
