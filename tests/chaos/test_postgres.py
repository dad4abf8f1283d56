"""Postgres restarts, crashes, stalls, runs out of disk."""

import asyncio
import signal

import pytest

from tests.chaos.round import Fault, Round, row

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


async def _back(chaos: Round, fault: Fault) -> None:
    await chaos.moment()
    await chaos.stores.postgres.start()
    fault.over()


@row("8a", "Postgres restarted (fast)", recovered_within=20)
async def test_postgres_restarted(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        await chaos.stores.postgres.stop()
        await _back(chaos, fault)


@row("8b", "Postgres killed (immediate)", recovered_within=20, short=True)
async def test_postgres_killed(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        # What was in flight then; the consumers live on, so nothing of it need be repeated.
        arrivals = await chaos.receiver.arrivals()
        await chaos.stores.postgres.kill(signal.SIGQUIT)
        fault.may_repeat = {key for key, came in arrivals.items() if came[0].answered is None}
        await _back(chaos, fault)


@row("9", "Postgres paused for two leases (20 s)", recovered_within=5, short=True)
async def test_postgres_paused(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        chaos.stores.postgres.pause()
        await asyncio.sleep(2 * chaos.settings.lease_seconds)
        chaos.stores.postgres.resume()
        fault.over()
