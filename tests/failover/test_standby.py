"""An asynchronous standby that is promoted: what was delivered within its lag is known to Redis alone."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import web
from msgspec.structs import replace
from redis.asyncio import Redis

from api.health.readiness import OK, Readiness
from producer.guard import LAG_WRITES, Guard
from sql.batches import UnvouchedError
from sql.connecting import connect
from sql.database import AWAY
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.failover.standby import Standby, standby_of
from tests.failover.system import delivering
from tests.failover.tunnel import Tunnel
from tidings.embedded import EmbeddedStores
from tidings.redis import keys
from tidings.settings import Settings

COUNT = 1000
FORGOTTEN = 50
"""Of those, the ones whose dedup record is gone."""


class Receiver:
    """Counts what came, by message, and which of it said that it may have come before."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.flagged: Counter[str] = Counter()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        message_id = request.headers["webhook-id"]
        self.came[message_id] += 1
        self.flagged[message_id] += "tidings-possible-duplicate" in request.headers
        return web.Response()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield receiver
    await runner.cleanup()


@pytest_asyncio.fixture
async def tunnel(postgres_uri: str) -> AsyncIterator[Tunnel]:
    query = parse_qs(urlsplit(postgres_uri).query)
    async with Tunnel(Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}").running() as running:
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sql.database.PROMPT_SECONDS", 2.0)


async def falls_behind(standby: Standby) -> None:
    """It gets nothing more from its primary."""
    connection = await connect(standby.uri)
    try:
        await connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
        await connection.execute("SELECT pg_reload_conf()")

        async def alone() -> bool:
            return not await connection.fetchval("SELECT count(*) FROM pg_stat_wal_receiver")

        await eventually(alone)
    finally:
        await connection.close()


async def sent(store: Store, ids: list[UUID]) -> bool:
    found = await store.database.pool.fetchval(
        "SELECT count(*) FROM messages WHERE id = ANY($1) AND status = 'sent'", ids
    )
    return bool(found == len(ids))


async def test_what_was_delivered_within_the_lag_is_not_sent_again(
    settings: Settings, stores: EmbeddedStores, redis: Redis, tunnel: Tunnel, receiver: Receiver
) -> None:
    address = urlsplit(settings.postgres_uri)
    ours = replace(
        settings,
        postgres_uri=f"postgresql://{address.netloc.partition('@')[0]}@127.0.0.1:{tunnel.port}{address.path}",
    )
    store = await Store.connect(ours.postgres_uri, process="test", lease_seconds=10)
    async with standby_of(stores, settings.postgres_uri) as standby:
        # In the standby, all of it waits to be claimed.
        await store.queues.set_active("default", active=False)
        ids = await keep(store, COUNT, channel="webhook", recipient=receiver.url)
        assert await Guard(store.marker, redis).check()
        primary = await connect(settings.postgres_uri)
        await standby.follows(primary)
        await primary.close()
        await falls_behind(standby)
        await store.queues.set_active("default", active=True)
        async with delivering(ours):
            await eventually(lambda: sent(store, ids), within=60)
            forgotten = {str(message_id) for message_id in ids[:FORGOTTEN]}
            await redis.delete(*(keys.dedup_record(message_id) for message_id in ids[:FORGOTTEN]))
            tunnel.target = standby.socket
            tunnel.cut()
            await standby.promote()
            await eventually(lambda: _waits(store, COUNT), within=15)
            await eventually(lambda: _noticed(store), within=15)
            later = await keep(store, 20, channel="webhook", recipient=receiver.url)
            await store.queues.set_active("default", active=True)
            await eventually(lambda: sent(store, ids + later), within=60)
            assert (await Readiness(store, redis).all())["claims"] == OK
    again = {message_id for message_id, times in receiver.came.items() if times > 1}
    assert again == forgotten
    assert {message_id for message_id, times in receiver.flagged.items() if times} == forgotten
    assert set(receiver.flagged.values()) == {0, 1}
    await store.close()


async def _waits(store: Store, count: int) -> bool:
    """Whether the one that serves is the standby, in which all of it waits."""
    try:
        found = await store.database.pool.fetchval("SELECT count(*) FROM messages WHERE status = 'pending'")
    except AWAY:
        return False
    return bool(found == count)


async def _noticed(store: Store) -> bool:
    """Whether the marker is this server's."""
    return bool(await store.database.pool.fetchval("SELECT timeline = store_timeline() FROM store_marker"))


async def test_a_standby_that_was_too_far_behind_is_paused(
    settings: Settings, stores: EmbeddedStores, redis: Redis, store: Store
) -> None:
    guard = Guard(store.marker, redis)
    assert await guard.check()
    async with standby_of(stores, settings.postgres_uri) as standby:
        await falls_behind(standby)
        for _ in range(LAG_WRITES + 1):
            assert await guard.check()
        await standby.promote()
        promoted = await Store.connect(standby.uri, process="test", lease_seconds=10)
        await keep(promoted)
        with pytest.raises(UnvouchedError):
            await promoted.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=10)
        assert not await Guard(promoted.marker, redis).check()
        paused = await promoted.marker.paused()
        assert paused is not None
        assert "older state: 65 s" in paused.why
        await promoted.close()
