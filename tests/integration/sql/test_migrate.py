"""Migrations: applied once, by one process at a time; a schema that does not fit stops a process."""

import asyncio

import asyncpg
import pytest

from sql import migrate as migrating
from sql.migrate import Migration, expected_version, migrate, migrations
from sql.store import Store
from tidings.domain.errors import SchemaError


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


async def test_a_newer_schema_stops_a_process(postgres_uri: str) -> None:
    connection = await asyncpg.connect(postgres_uri)
    await connection.execute("INSERT INTO schema_migrations VALUES ($1, 'of the future')", expected_version() + 1)
    await connection.close()
    with pytest.raises(SchemaError, match="newer than this program"):
        await connect(postgres_uri)
    with pytest.raises(SchemaError, match="newer than this program"):
        await migrate(postgres_uri)


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
    with pytest.raises(SchemaError, match=r"circumstances|next_due|paced_ticks|put_queue|spend_tick"):
        await connect(postgres_uri)
