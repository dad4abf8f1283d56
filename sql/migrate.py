"""Forward-only, numbered migrations, applied under an advisory lock.

Each migration commits together with its row in `schema_migrations`: a crash in between leaves the one before it.

A lock that a migration waits for makes writers wait behind it. So it waits for 2 s at the most (`LOCK_SECONDS` in
sql/indexes.py), takes everything back, lets the others pass and tries again, until the tables are free.

A file that begins with `-- concurrently` holds nothing but `CREATE INDEX name ON table …;` and `DROP INDEX name;`
statements, and runs them without locking out writers, of a partitioned table too (sql/indexes.py). A crash leaves a
part of them; the next run goes on from there.
"""

import asyncio
import re
from functools import partial
from importlib.resources import files
from typing import Final

import msgspec

from sql.connecting import SESSION, Connection, connect, is_pooled, keeps_session
from sql.indexes import build_concurrently, run_patiently
from sql.loader import load_queries
from tidings.domain.errors import SchemaError, SettingsError

LOCK_AGAIN_SECONDS: Final = 0.2
CONCURRENTLY: Final = "-- concurrently\n"
_FILE_NAME: Final = re.compile(r"(\d{4})_\w+\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One numbered step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def concurrently(self) -> bool:
        """Whether it builds and drops indexes outside a transaction."""
        return self.sql.startswith(CONCURRENTLY)


def migrations() -> list[Migration]:
    """All migrations that this program brings, in order; their numbers have no gap."""
    found = sorted(
        (
            Migration(int(match[1]), file.name.removesuffix(".sql"), file.read_text("utf-8"))
            for file in files("sql").joinpath("migrations").iterdir()
            if (match := _FILE_NAME.fullmatch(file.name))
        ),
        key=lambda migration: migration.version,
    )
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise SchemaError("sql/migrations: the numbers must run from 0001 without a gap")
    return found


def expected_version() -> int:
    """The schema version that this program is written for."""
    return migrations()[-1].version


def check_version(actual: int) -> None:
    """Raises SchemaError, naming the way out, where the database is older or newer than this program."""
    expected = expected_version()
    if actual < expected:
        raise SchemaError(
            f"the database schema is at version {actual}, this program needs {expected}: run `tidings migrate`"
        )
    if actual > expected:
        raise SchemaError(
            f"the database schema is at version {actual}, newer than this program, which knows {expected}"
        )


async def migrate(postgres_uri: str, *, past_pooler: bool = False) -> list[str]:
    """Brings the database up to date; returns the names of the migrations that were applied now.

    With a pooler in between, or `past_pooler` of one, the role gets the settings that a session there cannot bring.

    Safe to run from several processes at once: the second waits, and finds nothing to do.
    Raises SchemaError where the database is newer than this program, SettingsError where a session is not to be had.
    """
    connection = await connect(postgres_uri, server_settings={"client_min_messages": "warning"})
    queries = load_queries()
    try:
        await _need_session(postgres_uri, connection)
        while not await queries.try_lock_schema(connection):  # noqa: ASYNC110  (it is another process that we wait for)
            await asyncio.sleep(LOCK_AGAIN_SECONDS)
        await queries.make_schema_migrations(connection)
        applied: int = await queries.schema_version(connection)
        if applied > expected_version():
            check_version(applied)
        names = []
        for migration in migrations()[applied:]:
            if migration.concurrently:
                await build_concurrently(connection, migration.sql)
            await run_patiently(connection, partial(_apply, connection, migration), what=migration.name)
            names.append(migration.name)
        if past_pooler or is_pooled(postgres_uri):
            for name, value in SESSION.items():
                await connection.execute(await queries.setting_of_role(connection, name=name, value=value))
        return names
    finally:
        await connection.close()


async def _need_session(uri: str, connection: Connection) -> None:
    """Raises SettingsError where a pooler would keep the lock, and lose what was set, between two statements."""
    if not is_pooled(uri):
        return
    other = await connect(uri)
    try:
        if not await keeps_session(connection, lambda channel: load_queries().notify(other, channel=channel)):
            raise SettingsError(
                "POSTGRES_LISTEN_URI: must be set for migrations, past the pooler in transaction mode of POSTGRES_URI"
            )
    finally:
        await other.close()


async def _apply(connection: Connection, migration: Migration) -> None:
    async with connection.transaction():
        if not migration.concurrently:
            await connection.execute(migration.sql)
        await load_queries().record_migration(connection, version=migration.version, name=migration.name)
