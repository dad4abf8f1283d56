"""Processes that disagree about the time, several of each kind at work at once, and a midnight without partitions."""

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from producer.reconciler import Reconciler
from sql.store import Store
from tests.chaos.clocks import faketime
from tests.chaos.round import Round, row
from tidings.domain.timestamps import utc_now

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


@row("14", "two producers and three reconcilers at once, clocks 5 s apart, FLUSHALL in between")
async def test_clocks_apart(chaos: Round) -> None:
    ahead, behind = faketime("+5"), faketime("-5")
    await chaos.start(api=ahead, producers=[ahead, behind], consumers=[ahead, behind])
    store = await Store.connect(chaos.settings.postgres_uri, process="test", lease_seconds=chaos.settings.lease_seconds)
    reconcilers = [asyncio.create_task(reconcile(Reconciler(store, chaos.settings))) for _ in range(3)]
    redis = Redis.from_url(chaos.settings.redis_uri)
    async with chaos.under_load():
        for _ in range(3):
            await redis.flushall()
            await chaos.moment()
    for task in reconcilers:
        task.cancel()
    await asyncio.gather(*reconcilers, return_exceptions=True)
    await redis.aclose()
    await store.close()


async def reconcile(reconciler: Reconciler) -> None:
    """Without asking who leads, and often."""
    while True:
        await reconciler.reconcile()
        await asyncio.sleep(0.2)


@row("15", "the partitions of the present day and week are missing, as after a midnight", short=True)
async def test_midnight_without_partitions(chaos: Round) -> None:
    today = utc_now()
    monday = today - timedelta(days=today.weekday())
    await chaos.start(consumers=[{}, {}])
    names = [f"messages_{monday:%Y%m%d}", f"attempts_{today:%Y%m%d}"]
    for name in names:
        await chaos.books.fetch(f"DROP TABLE {name}")
    async with chaos.under_load():
        await chaos.moment()
    for name in names:
        [made] = await chaos.books.fetch(f"SELECT count(*) FROM {name}")
        assert made["count"]
