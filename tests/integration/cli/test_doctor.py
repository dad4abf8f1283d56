"""What a doctor says of real stores, as they are and as they should not be."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web
from redis.asyncio import Redis

from sql.store import Store
from tests.factories import new_message
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, keep_sms, until
from tests.reading import reading
from tidings.cli.doctor import findings_of
from tidings.cli.doctor.finding import Finding, Level
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now
from tidings.redis import keys
from tidings.redis.connections import connect_redis
from tidings.settings import Settings

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_URI", settings.postgres_uri)
    monkeypatch.setenv("REDIS_URI", settings.redis_uri)


@pytest_asyncio.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client = connect_redis(settings)
    yield client
    await client.config_set("maxmemory", 0)
    await client.config_set("maxmemory-policy", "noeviction")
    await client.aclose()


async def look() -> dict[str, Finding]:
    return {finding.check: finding for finding in await findings_of(url=NOWHERE)}


async def alter(settings: Settings, *statements: str) -> None:
    connection = await asyncpg.connect(settings.postgres_uri)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.usefixtures("durable")
async def test_good_stores_without_processes() -> None:
    found = await look()
    failed = {check for check, finding in found.items() if finding.level is Level.FAILURE}
    assert failed == {"producer", "consumers", "api"}
    for check in ("postgres", "postgres clock", "durability", "connections", "schema", "partitions", "waiting"):
        assert found[check].level is Level.OK, found[check]
    for check in ("redis", "redis clock", "redis memory", "redis persistence", "redis writes"):
        assert found[check].level is Level.OK, found[check]


async def test_processes_are_seen_by_what_they_leave_in_redis(redis: Redis, store: Store) -> None:
    await redis.set(keys.PRODUCER_HEARTBEAT, 1, ex=5)
    await redis.zadd(keys.SLOTS, {"c1/0": time.time(), "c1/1": time.time(), "dead/0": time.time() - 60})
    found = await look()
    assert found["producer"].level is Level.OK
    assert found["consumers"].says == "1 alive: c1"


@pytest.mark.usefixtures("durable")
async def test_producers_of_which_none_leads(redis: Redis, store: Store) -> None:
    await redis.set(keys.PRODUCER_HEARTBEAT, 1, ex=60)
    found = await look()
    assert found["leader"].level is Level.WARNING
    assert found["leader"].says.startswith("no producer leads")
    connection = await store.database.leading_connection()
    try:
        assert await store.database.queries.try_lead(connection)
        assert "leader" not in await look()
    finally:
        await connection.close()


async def test_a_database_on_which_messages_are_not_safe(settings: Settings) -> None:
    name = settings.postgres_uri.rpartition("/")[2].partition("?")[0]
    await alter(
        settings,
        f"ALTER DATABASE {name} SET synchronous_commit = off",
        f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'",
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
    )
    found = await look()
    for check in ("durability", "isolation", "postgres role"):
        assert found[check].level is Level.FAILURE
        assert found[check].mend


async def test_a_schema_of_another_version(settings: Settings) -> None:
    await alter(settings, "DELETE FROM schema_migrations WHERE version > 1")
    found = await look()
    assert (found["schema"].level, found["schema"].mend) == (Level.FAILURE, "`tidings migrate`")
    await alter(settings, "DROP TABLE schema_migrations")
    assert (await look())["schema"].says.startswith("version 0,")
    await alter(
        settings,
        "CREATE TABLE schema_migrations (version integer, name text, oldest integer)",
        "INSERT INTO schema_migrations VALUES (9999, 'x')",
    )
    assert (await look())["schema"].level is Level.OK
    await alter(settings, "UPDATE schema_migrations SET oldest = 9999")
    assert (await look())["schema"].mend == "a newer tidings"


async def test_a_partition_that_is_missing(settings: Settings) -> None:
    today = f"attempts_{utc_now():%Y%m%d}"
    await alter(settings, f"ALTER TABLE attempts DETACH PARTITION {today}")
    found = (await look())["partitions"]
    assert found.level is Level.WARNING
    assert today in found.says


async def test_a_partition_that_retention_cannot_drop(settings: Settings, store: Store) -> None:
    assert (await look())["retention"].level is Level.OK
    old = utc_now() - timedelta(days=100)
    await store.maintenance.make_partitions(old, old + timedelta(seconds=1))
    assert "still there, such as messages_" in (await look())["retention"].says
    name = f"attempts_{old:%Y%m%d}"
    async with reading(settings.postgres_uri, "attempts"):
        connection = await asyncpg.connect(settings.postgres_uri)
        try:
            with pytest.raises(TimeoutError):
                await connection.execute(f"ALTER TABLE attempts DETACH PARTITION {name} CONCURRENTLY", timeout=0.5)
        finally:
            await connection.close()
    found = (await look())["retention"]
    assert found.level is Level.WARNING
    assert f"{name}: cannot be dropped" in found.says


async def test_a_message_that_waits_too_long(settings: Settings, store: Store) -> None:
    await store.messages.insert([new_message(due_at=utc_now() - timedelta(minutes=5))])
    assert (await look())["waiting"].level is Level.WARNING
    await store.queues.set_active("default", active=False)
    assert (await look())["waiting"].level is Level.OK


@pytest.mark.parametrize(
    ("status", "level", "says"),
    [(202, Level.OK, "with 202"), (200, Level.WARNING, "with 200"), (None, Level.OK, "yet")],
)
async def test_a_gateway_that_takes_messages_in_its_own_way(
    settings: Settings, store: Store, status: int | None, level: Level, says: str
) -> None:
    if status is not None:
        [message_id] = await keep_sms(store)
        async with consuming(settings, Gateway(web.Response(status=status))) as consumer:
            await hand_over(store, consumer)
            await until(store, message_id, Status.SENT)
    found = (await look())["sms answers"]
    assert found.level is level
    assert says in found.says


async def test_a_redis_that_evicts(redis: Redis) -> None:
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    assert (await look())["redis memory"].level is Level.OK
    await redis.config_set("maxmemory", 2**30)
    found = await look()
    assert (found["redis memory"].level, found["redis memory"].mend) == (Level.WARNING, "maxmemory-policy noeviction")
    await redis.config_set("maxmemory-policy", "noeviction")
    assert (await look())["redis memory"].level is Level.OK


async def test_a_redis_that_is_full(redis: Redis) -> None:
    await redis.config_set("maxmemory", 1024)
    found = await look()
    assert found["redis memory"].level is Level.WARNING
    assert found["redis writes"].level is Level.FAILURE
