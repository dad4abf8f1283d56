"""The producer is killed: anywhere, between claim and push, in the middle of a reconcile."""

import asyncio

import asyncpg
import pytest

from tests.chaos.round import Round, row

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

UNSTARTED = "SELECT EXISTS (SELECT FROM batches WHERE started_at IS NULL)"
EXPIRED_OR_TAKEN_BACK = """
SELECT EXISTS (SELECT FROM batches WHERE started_at IS NOT NULL AND lease_until < now())
    OR NOT EXISTS (SELECT FROM batches WHERE consumer = 'c1')
"""


async def until(chaos: Round, condition: str) -> None:
    """Asks Postgres again and again, without a pause, until it says yes."""
    connection = await asyncpg.connect(chaos.settings.postgres_uri)
    try:
        async with asyncio.timeout(30):
            while not await connection.fetchval(condition):
                pass
    finally:
        await connection.close()


async def kill_and_start(chaos: Round) -> None:
    await chaos.producers.pop().kill()
    await chaos.moment()
    await chaos.start_producer()


@row("3a", "SIGKILL the producer", recovered_within=5)
async def test_sigkill_of_the_producer(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        await kill_and_start(chaos)
        fault.over()


@row("3b", "SIGKILL the producer as it claims and pushes", recovered_within=5, short=True)
async def test_sigkill_of_the_producer_in_a_claim(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        await until(chaos, UNSTARTED)
        await kill_and_start(chaos)
        fault.over()


@row("3c", "SIGKILL the producer as it reconciles after a consumer's death", recovered_within=5)
async def test_sigkill_of_the_producer_in_a_reconcile(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        fault.may_repeat = await chaos.kill("c1")
        await until(chaos, EXPIRED_OR_TAKEN_BACK)
        await chaos.moment(0.0, chaos.settings.reconcile_seconds)
        await kill_and_start(chaos)
        fault.over()
