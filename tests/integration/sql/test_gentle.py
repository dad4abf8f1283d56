"""No migration since the last release reads, changes or rewrites the large tables: their writers would wait for it."""

from collections.abc import AsyncIterator
from typing import Final, TypeAlias

import asyncpg
import pytest

from sql import migrate as migrating
from sql.migrate import Migration, migrate, migrations
from tests.released import released_schema

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LARGE: Final = ("messages", "mail_parts", "attempts", "idempotency_keys", "audit")
FILL: Final = """
INSERT INTO messages (id, queue, channel, recipient, content, priority, max_tries, due_at, created_at, mail_bytes)
SELECT uuid_from_time(now() + n * interval '1 ms'), 'default', 'email', 'x', 'x', 1, 5, now(), now(), 1
FROM generate_series(1, 100) AS n;
INSERT INTO mail_parts SELECT id, '{}', '' FROM messages;
INSERT INTO attempts SELECT id, 1, id, 'c', now(), 1, 'retry' FROM messages;
INSERT INTO idempotency_keys SELECT id, 'x', 'x', id, now() FROM messages;
INSERT INTO audit (id, actor, action, detail, created_at) SELECT id, 'x', 'x', '{}', now() FROM messages;
"""
TABLES: Final = """
SELECT
    class.oid::regclass::text AS name,
    pg_relation_filenode(class.oid) AS file,
    coalesce(stat.seq_scan, 0) AS scans,
    coalesce(stat.n_tup_ins, 0) + coalesce(stat.n_tup_upd, 0) + coalesce(stat.n_tup_del, 0) AS changes
FROM pg_class AS class
LEFT JOIN pg_stat_xact_user_tables AS stat ON stat.relid = class.oid
LEFT JOIN pg_inherits ON inhrelid = class.oid
WHERE class.relkind = 'r' AND coalesce(inhparent, class.oid)::regclass::text = ANY($1)
"""


async def handled(connection: Connection, script: str, *, keep: bool) -> set[str]:
    """The large tables that a script reads as a whole, changes or rewrites; what it makes itself does not count."""
    before = {row["name"]: row["file"] for row in await connection.fetch(TABLES, LARGE)}
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(script)
    after = {row["name"]: row for row in await connection.fetch(TABLES, LARGE)}
    await (transaction.commit() if keep else transaction.rollback())
    assert before.keys() <= after.keys()
    return {
        name
        for name, file in before.items()
        if after[name]["file"] != file or after[name]["scans"] or after[name]["changes"]
    }


@pytest.fixture
async def last_release(postgres_uri: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    """The schema of the last release, and rows in each large table."""
    connection = await asyncpg.connect(postgres_uri, server_settings={"client_min_messages": "warning"})
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    known = migrations()
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "migrations", lambda: known[: released_schema()])
        await migrate(postgres_uri)
    await connection.execute(FILL)
    yield connection
    await connection.close()


async def test_each_since_the_last_release_leaves_them_alone(last_release: Connection) -> None:
    for migration in migrations()[released_schema() :]:
        # The others build indexes, which blocks nobody: sql/indexes.py.
        if not migration.concurrently:
            assert not await handled(last_release, migration.sql, keep=True), migration.name


async def test_what_would_not_is_found(last_release: Connection) -> None:
    for statement in (
        "ALTER TABLE messages ALTER COLUMN tries TYPE bigint",
        "ALTER TABLE messages ADD COLUMN colour uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE messages ADD COLUMN colour timestamptz DEFAULT clock_timestamp()",
        "ALTER TABLE messages ADD COLUMN colour text GENERATED ALWAYS AS (lower(channel)) STORED",
        "ALTER TABLE messages ALTER COLUMN content SET NOT NULL, ALTER COLUMN mail_bytes SET NOT NULL",
        "ALTER TABLE messages ADD COLUMN colour text CHECK (colour <> '')",
        "ALTER TABLE messages ADD CONSTRAINT few CHECK (tries < 9)",
        "CREATE INDEX messages_of_a_test ON messages (tries)",
        "UPDATE messages SET tries = 1",
        "DELETE FROM mail_parts",
        "TRUNCATE attempts",
        "ALTER TABLE audit SET UNLOGGED",
        "ALTER TABLE idempotency_keys ADD CONSTRAINT known FOREIGN KEY (user_id) REFERENCES messages (id)",
    ):
        assert await handled(last_release, statement, keep=False), statement


async def test_what_does_is_let_through(last_release: Connection) -> None:
    for statement in (
        "ALTER TABLE messages ADD COLUMN colour text NOT NULL DEFAULT 'red'",
        "ALTER TABLE messages ADD COLUMN seen timestamptz DEFAULT now()",
        "ALTER TABLE idempotency_keys ADD CONSTRAINT few CHECK (key <> '') NOT VALID",
        "SELECT make_partitions(now() + interval '60 days', now() + interval '61 days')",
        "CREATE TABLE letters (id uuid); CREATE INDEX letters_id ON letters (id)",
        "UPDATE queues SET active = true",
    ):
        assert not await handled(last_release, statement, keep=False), statement


def test_a_migration_has_the_rows_of_one_release() -> None:
    """CHANGELOG.md names a schema that is there."""
    assert 0 < released_schema() <= len(migrations())
    assert isinstance(migrations()[released_schema() - 1], Migration)
