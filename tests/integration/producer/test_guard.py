"""producer/guard.py, on a real Postgres, with real dumps of it"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.health.readiness import OK, Readiness
from consumers.dedup import DedupRecords, Record
from producer.guard import LAG_WRITES, Copy, Guard
from sql.batches import UnvouchedError
from sql.connecting import connect
from sql.diagnosis import Diagnosis
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.failover.system import delivering, producing
from tidings.cli.doctor import postgres
from tidings.cli.doctor.finding import Level
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now
from tidings.embedded import EmbeddedStores
from tidings.embedded.data_directory import DataDirectory
from tidings.embedded.installation import postgres_account, postgres_programs
from tidings.redis import keys
from tidings.redis.connections import connect_redis
from tidings.settings import Settings


@pytest_asyncio.fixture
async def guard(store: Store, redis: Redis) -> Guard:
    return Guard(store.marker, redis)


class Dump:
    """A dump of the test's database."""

    def __init__(self, programs: Path, uri: str, path: Path) -> None:
        self._programs = programs
        self.uri = uri
        self._path = path

    async def make(self) -> None:
        await self._run("pg_dump", "--format", "custom", "--file", self._path, self.uri)

    async def restore(self, uri: str) -> None:
        await self._run("pg_restore", "--dbname", uri, self._path)

    async def _run(self, program: str, *arguments: str | Path) -> None:
        process = await asyncio.create_subprocess_exec(self._programs / program, *arguments)
        assert await process.wait() == 0

    @asynccontextmanager
    async def restored_elsewhere(self) -> AsyncIterator[Store]:
        """A store on it in another database of the same cluster."""
        address = urlsplit(self.uri)
        name = f"restored_{uuid4().hex}"
        administrator = await connect(address._replace(path="/postgres").geturl())
        try:
            await administrator.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            uri = address._replace(path=f"/{name}").geturl()
            await self.restore(uri)
            store = await Store.connect(uri, process="test", lease_seconds=10)
            yield store
            await store.close()
        finally:
            await administrator.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await administrator.close()


@pytest_asyncio.fixture
async def dump(stores: EmbeddedStores, settings: Settings, tmp_path: Path) -> Dump:
    directory = DataDirectory(stores.data_dir)
    programs = await postgres_programs(directory.path, postgres_account(directory.cluster))
    return Dump(programs, settings.postgres_uri, tmp_path / "dump")


async def goes_on(guard: Guard, redis: Redis) -> None:
    """As if more than replication explains had been written since."""
    assert await guard.check()
    copy = msgspec.json.decode(await redis.get(keys.MARKER), type=Copy)
    await redis.set(keys.MARKER, msgspec.json.encode(Copy(copy.installation, copy.number + LAG_WRITES + 1)))


async def claim(store: Store) -> int:
    return sum(batch.size for batch in await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=10))


async def age_marker(store: Store) -> None:
    await store.database.pool.execute("UPDATE store_marker SET written_at = written_at - interval '31 s'")


async def test_the_marker_goes_on_and_has_a_copy(guard: Guard, store: Store, redis: Redis) -> None:
    assert await guard.check()
    assert await guard.check()
    [row] = await store.database.pool.fetch("SELECT number, installation, changed_at FROM store_marker")
    assert (row["number"], row["changed_at"]) == (2, None)
    assert msgspec.json.decode(await redis.get(keys.MARKER), type=Copy) == Copy(row["installation"], 2)
    assert 0 < await redis.ttl(keys.MARKER) <= keys.MARKER_LIFE_SECONDS


async def test_nothing_is_claimed_by_a_marker_that_nobody_has_written_lately(guard: Guard, store: Store) -> None:
    await keep(store, 3)
    assert await guard.check()
    await age_marker(store)
    with pytest.raises(UnvouchedError):
        await claim(store)
    await store.database.pool.execute("UPDATE queues SET interval_seconds = 0.001")
    with pytest.raises(UnvouchedError):
        await store.batches.claim_paced(offers(), batch_size=10)
    assert await guard.check()
    await store.database.pool.execute("UPDATE queues SET interval_seconds = 0")
    assert await claim(store) == 3


async def test_an_empty_redis_changes_nothing(store: Store, redis: Redis, guard: Guard) -> None:
    assert await guard.check()
    await redis.flushall()
    assert await Guard(store.marker, redis).check()
    assert await store.database.pool.fetchval("SELECT changed_at FROM store_marker") is None


async def test_a_copy_that_cannot_be_read_is_none(store: Store, redis: Redis, guard: Guard) -> None:
    assert await guard.check()
    await redis.set(keys.MARKER, b"\xff")
    assert await Guard(store.marker, redis).check()


async def test_a_marker_that_was_lost_is_made_again(store: Store, guard: Guard) -> None:
    await store.database.pool.execute("DELETE FROM store_marker")
    await keep(store)
    with pytest.raises(UnvouchedError):
        await claim(store)
    assert await guard.check()
    assert await claim(store) == 1


async def test_a_producer_alone_remembers_what_redis_lost(guard: Guard, store: Store, redis: Redis) -> None:
    for _ in range(LAG_WRITES + 2):
        assert await guard.check()
    await store.database.pool.execute("UPDATE store_marker SET number = 1")
    await redis.flushall()
    assert not await guard.check()
    assert (await store.marker.paused()) is not None


async def test_a_dump_in_another_database_is_paused_with_or_without_redis(
    guard: Guard, store: Store, redis: Redis, dump: Dump
) -> None:
    await keep(store, 2)
    await goes_on(guard, redis)
    await dump.make()
    for flushed in (False, True):
        if flushed:
            await redis.flushall()
        async with dump.restored_elsewhere() as other:
            with pytest.raises(UnvouchedError):
                await claim(other)
            theirs = Guard(other.marker, redis)
            assert not await theirs.check()
            # Nor after a restart of the producer, however often it asks.
            assert not await Guard(other.marker, redis).check()
            with pytest.raises(UnvouchedError):
                await claim(other)
            assert await other.marker.resume()
            assert await theirs.check()
            assert await claim(other) == 2
            assert not await other.marker.resume()


async def test_a_dump_that_replaces_the_tables_is_paused(guard: Guard, store: Store, redis: Redis, dump: Dump) -> None:
    assert await guard.check()
    await dump.make()
    await redis.flushall()
    await store.database.pool.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await dump.restore(dump.uri)
    assert not await Guard(store.marker, redis).check()
    paused = await store.marker.paused()
    assert paused is not None
    assert "made again" in paused.why


async def test_what_was_moved_while_it_was_stopped_goes_on(guard: Guard, redis: Redis, dump: Dump) -> None:
    assert await guard.check()
    await dump.make()
    async with dump.restored_elsewhere() as other:
        await keep(other)
        assert await Guard(other.marker, redis).check()
        assert await claim(other) == 1


async def test_a_paused_producer_claims_nothing_until_somebody_resumes(
    guard: Guard, store: Store, redis: Redis, settings: Settings
) -> None:
    before = await keep(store, 3)
    await goes_on(guard, redis)
    readiness = Readiness(store, redis)
    async with delivering(settings):

        async def paused() -> bool:
            return (await readiness.all())["claims"].startswith("paused: Postgres is an older state")

        await eventually(paused)
        after = await keep(store, 2)
        async with Diagnosis.of(settings.postgres_uri, timeout=5) as diagnosis:
            assert await diagnosis.paused() is not None
        [finding] = [each for each in await postgres.examine(settings) if each.check == "claims"]
        assert (finding.level, "tidings resume" in (finding.mend or "")) == (Level.FAILURE, True)
        for message_id in before + after:
            message = await store.messages.get(message_id)
            assert message is not None
            assert message.status is Status.PENDING
        records = DedupRecords(redis, life_seconds=60)
        writing = asyncio.create_task(records.run())
        written = asyncio.Event()
        records.put(before[0], Record(utc_now(), "by its record"), then=written.set)
        await written.wait()
        writing.cancel()
        assert await store.marker.resume()

        async def all_sent() -> bool:
            found = [await store.messages.get(message_id) for message_id in before + after]
            return all(message is not None and message.status is Status.SENT for message in found)

        await eventually(all_sent, within=10)
        assert (await readiness.all())["claims"] == OK
    found = await store.messages.get(before[0])
    assert found is not None
    assert found.provider_message_id == "by its record"
    flagged = await store.database.pool.fetch("SELECT id FROM messages WHERE unanswered ORDER BY id")
    assert [row["id"] for row in flagged] == before


async def test_while_redis_is_away_nobody_vouches(store: Store, settings: Settings) -> None:
    away = connect_redis(msgspec.structs.replace(settings, redis_uri="unix:///nowhere/redis.sock"))
    with pytest.raises((RedisError, OSError)):
        await Guard(store.marker, away).check()
    await away.aclose()
    assert await store.database.pool.fetchval("SELECT number FROM store_marker") == 0


async def test_a_producer_that_begins_writes_the_marker(store: Store, settings: Settings) -> None:
    async with producing(settings):

        async def written() -> bool:
            return bool(await store.database.pool.fetchval("SELECT number > 0 FROM store_marker"))

        await eventually(written)
