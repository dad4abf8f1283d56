"""Redis forgets everything, goes away, stalls."""

import asyncio
import signal

import pytest
from redis.asyncio import Redis

from tests.chaos.round import Round, row

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


@row("5", "FLUSHALL", recovered_within=20, short=True)
async def test_flushall(chaos: Round) -> None:
    await chaos.start()
    redis = Redis.from_url(chaos.settings.redis_uri)
    async with chaos.under_load() as fault:
        await redis.flushall()
        fault.over()
    await redis.aclose()


@row("6", "Redis killed, away for 10 s, back empty", recovered_within=20)
async def test_redis_killed_and_back_empty(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        await chaos.stores.redis.kill(signal.SIGKILL)
        await asyncio.sleep(10)
        await chaos.stores.redis.start()
        fault.over()


@row("7", "Redis paused for 8 s", recovered_within=5)
async def test_redis_paused(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        chaos.stores.redis.pause()
        await asyncio.sleep(8)
        chaos.stores.redis.resume()
        fault.over()
