"""Hours in short: under a steady flow nothing grows that should not. `--minutes` makes it long."""

import asyncio
import sys
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.chaos import gauges
from tests.chaos.receiver import CountingReceiver
from tests.chaos.round import Round, Row
from tests.chaos.stores import ChaosStores
from tidings.settings import Settings

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

SMOKE_SECONDS = 20.0
REPORT = Path("build/chaos/soak.md")
READINGS = 60

ALLOWED = {
    "memory, MiB": 6.0,
    # Pools of connections open and close a few as the moment needs.
    "open files": 16.0,
    "connections": 8.0,
    "table batches, KiB": 512.0,
    "lateness, ms": 250.0,
}
"""Growth over the whole of a soak, whatever its length."""


@pytest.mark.timeout(0)
async def test_everything_stays_flat(
    request: pytest.FixtureRequest, chaos_stores: ChaosStores, receiver: CountingReceiver, seed: str, tmp_path: Path
) -> None:
    minutes = request.config.getoption("--minutes", None)
    seconds = 60 * minutes if minutes else SMOKE_SECONDS
    soak = Row(number="0", fault="none")
    async with chaos_stores.fresh(Settings()) as settings:
        played = Round(
            soak, stores=chaos_stores, settings=settings, folder=tmp_path, receiver=receiver, seed=f"{seed}-soak"
        )
        async with played.system:
            await played.start()
            readings, late = await watch(played, seconds)
    found = gauges.trends(readings, ALLOWED) + gauges.trends(late, ALLOWED)
    if minutes:
        write(gauges.table(found))
    assert found
    assert [trend for trend in found if trend.growth > trend.allowed] == []


def write(table: str) -> None:
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(table, "utf-8")


async def watch(played: Round, seconds: float) -> tuple[list[gauges.Reading], list[gauges.Reading]]:
    """Keeps the flow going, and answers what the gauges said meanwhile."""
    processes = {"api": played.api, "producer": played.producers[0], **played.consumers}
    pids = {name: process._process.pid for name, process in processes.items()}
    redis: Redis = Redis.from_url(played.settings.redis_uri)
    every = seconds / READINGS
    played.flow.start()
    readings = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(every)
        readings.append(await gauges.read(pids, played.books, redis))
    await played.flow.stop()
    await played.settle()
    balance = await played.balance()
    assert not balance.lost
    assert not balance.faults
    assert not balance.duplicates
    await redis.aclose()
    return readings, gauges.lateness(played.flow.accepted, await played.receiver.arrivals(), every)
