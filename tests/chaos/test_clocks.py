"""Processes that disagree about the time, several of each kind at work at once, and a midnight without partitions."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from producer.reconciler import Reconciler
from sql.store import Store
from tests.chaos.clocks import faketime
from tests.chaos.round import Round, row
from tidings.domain.timestamps import utc_now

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

BEFORE_MIDNIGHT = timedelta(seconds=8)


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


@row("15", "midnight, and the partitions of the new day and week are missing", short=True)
async def test_midnight_without_partitions(chaos: Round) -> None:
    monday = next_monday(utc_now())
    late_on_sunday = faketime(f"@{monday - BEFORE_MIDNIGHT:%Y-%m-%d %H:%M:%S}")
    await chaos.start(api=late_on_sunday, consumers=[late_on_sunday, late_on_sunday])
    names = [f"{table}_{monday:%Y%m%d}" for table in ("messages", "attempts")]
    for name in names:
        await chaos.books.fetch(f"DROP TABLE {name}")
    present = asyncio.create_task(make_due(chaos))
    async with chaos.under_load():
        await asyncio.sleep(BEFORE_MIDNIGHT.total_seconds())
    present.cancel()
    await asyncio.gather(present, return_exceptions=True)
    for name in names:
        [made] = await chaos.books.fetch(f"SELECT count(*) FROM {name}")
        assert made["count"]


async def make_due(chaos: Round) -> None:
    """What is due by the clock of the API is not by that of Postgres, which stays in the present."""
    while True:
        await chaos.books.fetch(
            "UPDATE messages SET due_at = now() WHERE status IN ('pending', 'failed') AND due_at > now()"
        )
        await asyncio.sleep(0.2)


def next_monday(now: datetime) -> datetime:
    """The midnight, UTC, at which a week begins."""
    today = datetime(now.year, now.month, now.day, tzinfo=UTC)
    return today + timedelta(days=7 - now.weekday())
