"""Migrations: applied once, by one process at a time; a schema that does not fit stops a process."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from structlog.testing import capture_logs

from sql import indexes
from sql import migrate as migrating
from sql.loader import load_queries
from sql.migrate import Migration, expected_version, migrate, migrations
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.reading import reading
from tidings.domain.errors import SchemaError, TooOldError
from tidings.domain.timestamps import utc_now


async def reset(uri: str) -> None:
    connection = await asyncpg.connect(uri)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()


async def connect(uri: str) -> Store:
    return await Store.connect(uri, process="test", lease_seconds=10)


async def test_each_is_applied_once_whoever_runs_it(postgres_uri: str) -> None:
    await reset(postgres_uri)
    rounds = await asyncio.gather(*(migrate(postgres_uri) for _ in range(4)))
    assert sorted(rounds, key=len) == [[], [], [], [migration.name for migration in migrations()]]


async def test_an_older_schema_stops_a_process(postgres_uri: str) -> None:
    await reset(postgres_uri)
    with pytest.raises(SchemaError, match="run `tidings migrate`"):
        await connect(postgres_uri)


async def add(uri: str, *, oldest: int | None) -> None:
    """One migration more than this program knows."""
    connection = await asyncpg.connect(uri)
    query = "INSERT INTO schema_migrations (version, name, oldest) VALUES ($1, 'of the future', $2)"
    await connection.execute(query, expected_version() + 1, oldest)
    await connection.close()


@pytest.mark.parametrize("older", [None, 1])
async def test_a_newer_schema_that_only_adds_stops_nobody(postgres_uri: str, older: int | None) -> None:
    await add(postgres_uri, oldest=older and expected_version())
    store = await connect(postgres_uri)
    await store.check_schema()
    await store.close()
    # As `tidings up` and each deployment do at the start, after a rollback too.
    assert await migrate(postgres_uri) == []


async def test_a_newer_schema_that_takes_something_away_stops_older_processes(postgres_uri: str) -> None:
    await add(postgres_uri, oldest=expected_version() + 1)
    says = f"too old: .*, and allows programs of {expected_version() + 1} and later"
    with pytest.raises(TooOldError, match=says):
        await connect(postgres_uri)
    with pytest.raises(TooOldError, match=says):
        await migrate(postgres_uri)


async def test_a_process_that_runs_stops_once_it_is_too_old(
    store: Store, postgres_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.store.SCHEMA_SECONDS", 0.01)
    stop = asyncio.Event()

    async def serve() -> None:
        async with store.serving(stop):
            await stop.wait()

    serving = asyncio.create_task(serve())
    await add(postgres_uri, oldest=expected_version())
    done, _ = await asyncio.wait([serving], timeout=0.2)
    assert not done
    connection = await asyncpg.connect(postgres_uri)
    await connection.execute("UPDATE schema_migrations SET oldest = version WHERE oldest IS NOT NULL")
    await connection.close()
    with pytest.raises(TooOldError):
        await asyncio.wait_for(serving, timeout=10)


async def test_a_migration_says_the_oldest_program(postgres_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = migrations()
    breaking = Migration(len(known) + 1, "breaking", f"-- Of a test.\n-- oldest: {len(known) + 1}\nSELECT 1;")
    assert breaking.oldest == len(known) + 1
    assert Migration(1, "adds", "SELECT 1; -- oldest: 7\n").oldest is None
    monkeypatch.setattr(migrating, "migrations", lambda: [*known, breaking])
    assert await migrate(postgres_uri) == ["breaking"]
    await (await connect(postgres_uri)).close()
    monkeypatch.undo()
    with pytest.raises(TooOldError):
        await connect(postgres_uri)


async def test_a_migration_that_fails_leaves_nothing(postgres_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Migration(expected_version() + 1, "broken", "CREATE TABLE half (); SELECT 1 / 0")
    known = migrations()
    monkeypatch.setattr(migrating, "migrations", lambda: [*known, broken])
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(postgres_uri)
    connection = await asyncpg.connect(postgres_uri)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    assert await connection.fetchval("SELECT max(version) FROM schema_migrations") == len(known)
    await connection.close()


async def test_a_query_that_does_not_fit_stops_a_process(postgres_uri: str) -> None:
    connection = await asyncpg.connect(postgres_uri)
    await connection.execute("ALTER TABLE queues RENAME credit TO renamed")
    await connection.close()
    with pytest.raises(SchemaError, match=r"message_state|next_due|paced_ticks|put_queue|spend_tick"):
        await connect(postgres_uri)


async def test_another_process_waits_for_the_one_that_migrates(postgres_uri: str) -> None:
    migrating_now = await asyncpg.connect(postgres_uri)
    assert await migrating_now.fetchval(load_queries().try_lock_schema.sql)
    waiting = asyncio.create_task(migrate(postgres_uri))
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done
    await migrating_now.close()
    assert await waiting == []


async def test_writers_wait_for_a_moment_behind_a_migration_that_waits(
    store: Store, postgres_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations()
    trigger = Migration(
        len(known) + 1,
        "test_trigger",
        "CREATE TRIGGER another AFTER INSERT ON messages FOR EACH STATEMENT EXECUTE FUNCTION queue_changed()",
    )
    monkeypatch.setattr(migrating, "migrations", lambda: [*known, trigger])
    monkeypatch.setattr(indexes, "LOCK_SECONDS", 0.5)

    async def waits() -> bool:
        async with store.database.pool.acquire() as connection:
            return bool(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE TRIGGER another%' "
                    "AND wait_event_type = 'Lock' AND datname = current_database()"
                )
            )

    with capture_logs() as said:
        async with store.database.transaction() as connection:
            await connection.execute("LOCK TABLE messages IN ROW EXCLUSIVE MODE")
            running = asyncio.create_task(migrate(postgres_uri))
            for _ in range(2):
                await eventually(waits)
                await asyncio.wait_for(keep(store), timeout=5)
            assert not running.done()
        assert await running == ["test_trigger"]
    assert [line["migration"] for line in said if line["event"].startswith("waits for")] == ["test_trigger"]


async def test_a_table_that_stays_locked_ends_a_migration_with_a_word_about_who_holds_it(
    store: Store, postgres_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations()
    column = Migration(len(known) + 1, "test_column", "ALTER TABLE messages ADD COLUMN more text")
    monkeypatch.setattr(migrating, "migrations", lambda: [*known, column])
    monkeypatch.setattr(indexes, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(indexes, "GIVE_UP_SECONDS", 0.5)
    async with store.database.transaction() as connection:
        await connection.execute("LOCK TABLE messages IN ROW EXCLUSIVE MODE")
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        with pytest.raises(
            SchemaError, match=rf"^test_column: a table has stayed locked.*longest: {pid} \(tidings test,"
        ):
            await migrate(postgres_uri)
    assert await migrate(postgres_uri) == ["test_column"]


class TestConcurrently:
    SQL = """-- concurrently
-- For a test.
CREATE INDEX messages_test ON messages (channel, id)
    WHERE status = 'sent';
CREATE UNIQUE INDEX queues_test ON queues (lower(name));
"""
    STATE = """
    SELECT indisvalid AND (
        SELECT count(*) FROM pg_inherits WHERE inhparent = indexrelid
    ) = (SELECT count(*) FROM pg_inherits WHERE inhparent = 'messages'::regclass)
    FROM pg_index WHERE indexrelid = to_regclass('messages_test')
    """
    BUILDING = """
    SELECT pid FROM pg_stat_activity
    WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock' AND datname = current_database()
    """

    @pytest.fixture(autouse=True)
    def _more(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """A migration that comes after the store has connected, as in a rolling update."""
        known = migrations()
        one_more = Migration(expected_version() + 1, "test_index", self.SQL)
        monkeypatch.setattr(migrating, "migrations", lambda: [*known, one_more])

    async def building(self, store: Store) -> int:
        async def waits() -> int:
            async with store.database.pool.acquire() as connection:
                return await connection.fetchval(self.BUILDING) or 0

        return await eventually(waits)

    async def test_others_write_while_an_index_is_built(self, store: Store, postgres_uri: str) -> None:
        first = await keep(store)
        async with reading(postgres_uri, "messages"):
            running = asyncio.create_task(migrate(postgres_uri))
            await self.building(store)
            second = await asyncio.wait_for(keep(store), timeout=5)
            assert await store.messages.cancel(first[0])
            assert not running.done()
        assert await running == ["test_index"]
        async with store.database.pool.acquire() as connection:
            assert await connection.fetchval(self.STATE)
            assert await connection.fetchval(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = 'queues_test'::regclass"
            )
            assert await connection.fetchval("SELECT count(*) FROM messages WHERE id = ANY($1)", [*first, *second]) == 2

    async def test_after_a_crash_it_goes_on(self, store: Store, postgres_uri: str) -> None:
        async with reading(postgres_uri, "messages"):
            running = asyncio.create_task(migrate(postgres_uri))
            pid = await self.building(store)
            async with store.database.pool.acquire() as connection:
                await connection.execute("SELECT pg_terminate_backend($1)", pid)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
                await running
        async with store.database.pool.acquire() as connection:
            assert await connection.fetchval(self.STATE) is False
        assert await migrate(postgres_uri) == ["test_index"]
        async with store.database.pool.acquire() as connection:
            assert await connection.fetchval(self.STATE)

    async def test_a_partition_made_later_has_it(self, store: Store, postgres_uri: str) -> None:
        await migrate(postgres_uri)
        later = utc_now() + timedelta(days=60)
        assert await store.maintenance.make_partitions(later, later + timedelta(seconds=1))
        async with store.database.pool.acquire() as connection:
            assert await connection.fetchval(self.STATE)

    async def test_a_writer_that_holds_the_table_is_waited_for(self, store: Store, postgres_uri: str) -> None:
        """Others go on writing meanwhile: they do not wait behind the migration for longer than a moment."""
        async with store.database.transaction() as connection:
            await connection.execute("LOCK TABLE messages IN ROW EXCLUSIVE MODE")
            running = asyncio.create_task(migrate(postgres_uri))
            done, _ = await asyncio.wait([running], timeout=0.5)
            assert not done
            await asyncio.wait_for(keep(store), timeout=indexes.LOCK_SECONDS + 3)
        assert await running == ["test_index"]

    async def test_nothing_but_indexes_is_built_like_that(
        self, postgres_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = migrations()
        wrong = Migration(len(known) + 1, "wrong", "-- concurrently\nALTER TABLE messages ADD COLUMN x integer;")
        monkeypatch.setattr(migrating, "migrations", lambda: [*known, wrong])
        with pytest.raises(SchemaError, match="nor DROP INDEX"):
            await migrate(postgres_uri)


class TestTheIndexOfTurns:
    """From version 6, in which users took no turns, while its processes run."""

    VALID = """
    SELECT count(*), bool_and(indisvalid) FROM pg_index
    WHERE indexrelid::regclass::text LIKE '%messages_turns' OR indexrelid = to_regclass('messages_due')
    """
    OLD_INSERT = """
    INSERT INTO messages (id, queue, channel, recipient, content, priority, max_tries, due_at, created_at, recoveries)
    SELECT uuid_from_time(now() + n * interval '1 ms'), 'default', 'echo', 'x', 'x', 1, 5, now(), now(), n % 3
    FROM generate_series(1, 60) AS n
    """

    @pytest.fixture
    async def old(
        self, postgres_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection of the version before; the next migration is 0007, and no other."""
        known = migrations()
        await reset(postgres_uri)
        for last in (6, 7):
            monkeypatch.setattr(migrating, "migrations", lambda last=last: known[:last])
            if last == 6:
                await migrate(postgres_uri)
        connection = await asyncpg.connect(postgres_uri)
        await connection.execute(self.OLD_INSERT)
        yield connection
        monkeypatch.undo()
        await connection.close()

    async def test_between_its_steps_the_old_ones_go_on_and_the_new_ones_wait(
        self,
        old: "asyncpg.Connection[asyncpg.Record]",
        postgres_uri: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        assert await migrate(postgres_uri) == ["0007_turns"]
        await old.execute(self.OLD_INSERT.replace("+ n", "+ 1000 * n"))
        assert list(await old.fetchrow(self.VALID) or ()) == [1, True]
        monkeypatch.undo()
        with pytest.raises(SchemaError, match="run `tidings migrate`"):
            await connect(postgres_uri)
        assert await migrate(postgres_uri) == [migration.name for migration in migrations()[7:]]
        parts = await old.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'messages'::regclass")
        assert list(await old.fetchrow(self.VALID) or ()) == [1 + parts, True]
        assert await old.fetchval("SELECT to_regclass('messages_due')") is None
        store = await connect(postgres_uri)
        batches = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(20), batch_size=100)
        assert sum(batch.size for batch in batches) == 120
        await store.close()

    async def test_a_build_that_failed_is_done_again_and_the_old_index_stays_till_then(
        self, old: "asyncpg.Connection[asyncpg.Record]", postgres_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert await migrate(postgres_uri) == ["0007_turns"]
        monkeypatch.undo()
        async with reading(postgres_uri, "messages"):
            running = asyncio.create_task(migrate(postgres_uri))

            async def building() -> int:
                return await old.fetchval(TestConcurrently.BUILDING) or 0

            pid = await eventually(building)
            await old.execute("SELECT pg_terminate_backend($1)", pid)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
                await running
        assert list(await old.fetchrow(self.VALID) or ())[1] is False
        assert await old.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('messages_due')")
        await migrate(postgres_uri)
        assert list(await old.fetchrow(self.VALID) or ())[1] is True
        assert await old.fetchval("SELECT to_regclass('messages_due')") is None
