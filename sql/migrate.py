"""Forward-only, numbered migrations, applied under an advisory lock.

Each migration commits together with its row in `schema_migrations`: a crash in between leaves the one before it.

A program runs under the schema it was written for, and under every newer one that allows it. A migration only adds, so
programs from before it go on: those that run, and those that start again, as after a rollback. One that takes something
away begins with a line `-- oldest: N`: no program that knows fewer than N migrations may run from then on. It is
recorded in `schema_migrations`; `check_version` compares.

A lock that a migration waits for makes writers wait behind it. So it waits for 2 s at the most (`LOCK_SECONDS` in
sql/indexes.py), takes everything back, lets the others pass and tries again, for a quarter of an hour at the most.

A file that begins with `-- concurrently` holds nothing but `CREATE INDEX name ON table …;` and `DROP INDEX name;`
statements, and runs them without locking out writers, of a partitioned table too (sql/indexes.py). A crash leaves a
part of them; the next run goes on from there.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.resources import files
from typing import Final

import asyncpg
import msgspec
import structlog
from asyncpg.pool import PoolConnectionProxy

from sql.connecting import SESSION, Connection, connect, is_pooled, keeps_session
from sql.indexes import build_concurrently, run_patiently
from sql.loader import load_queries
from tidings import __version__
from tidings.domain.errors import SchemaError, SettingsError, TooOldError

log = structlog.get_logger(__name__)

LOCK_AGAIN_SECONDS: Final = 0.2
CONCURRENTLY: Final = "-- concurrently\n"
_FILE_NAME: Final = re.compile(r"(\d{4})_\w+\.sql")
_OLDEST: Final = re.compile(r"^-- oldest: (\d+)$", re.MULTILINE)


class Migration(msgspec.Struct, frozen=True):
    """One numbered step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def concurrently(self) -> bool:
        """Whether it builds and drops indexes outside a transaction."""
        return self.sql.startswith(CONCURRENTLY)

    @property
    def oldest(self) -> int | None:
        """How many migrations a program must know to go on after this one; None: it only adds."""
        found = _OLDEST.search(self.sql)
        return int(found[1]) if found else None


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


async def check_version(schema_version: Callable[[], Awaitable[int]], oldest: Callable[[], Awaitable[int]]) -> int:
    """Returns the version of the database, which may be newer than this program where it allows it.

    `oldest` is asked of a newer schema only: an older one has no such column.
    Raises SchemaError, naming the way out, where the database is older, TooOldError where it takes no program this old.
    """
    actual, expected = await schema_version(), expected_version()
    if actual < expected:
        raise SchemaError(
            f"the database schema is at version {actual}, this program needs {expected}: run `tidings migrate`"
        )
    if actual > expected and (least := await oldest()) > expected:
        raise TooOldError(
            f"this program ({__version__}, schema {expected}) is too old: the database schema is at version {actual}, "
            f"newer than this program, and allows programs of {least} and later: install a newer tidings"
        )
    return actual


async def check_schema(connection: "Connection | PoolConnectionProxy[asyncpg.Record]") -> int:
    """The same, of the database that a connection leads to; an empty one is at version 0."""
    queries = load_queries()

    async def version() -> int:
        try:
            return int(await queries.schema_version(connection))
        except asyncpg.UndefinedTableError:
            return 0

    return await check_version(version, partial(queries.oldest_program, connection))


async def migrate(postgres_uri: str, *, past_pooler: bool = False) -> list[str]:
    """Brings the database up to date; returns the names of the migrations that were applied now.

    With a pooler in between, or `past_pooler` of one, the role gets the settings that a session there cannot bring.

    Safe to run from several processes at once: the second waits, and finds nothing to do.
    Where the database is newer and allows this program, there is nothing to do. Raises TooOldError where it does not,
    SchemaError where a table stays locked, SettingsError where a session is not to be had.
    """
    connection = await connect(postgres_uri, server_settings={"client_min_messages": "warning"})
    queries = load_queries()
    try:
        await _need_session(postgres_uri, connection)
        waits = False
        while not await queries.try_lock_schema(connection):
            if not waits:
                log.info("waits for another process that migrates")
            waits = True
            await asyncio.sleep(LOCK_AGAIN_SECONDS)
        await queries.make_schema_migrations(connection)
        applied: int = await queries.schema_version(connection)
        if applied > expected_version():
            await check_schema(connection)
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
        if migration.oldest is not None:
            await load_queries().record_oldest(connection, version=migration.version, oldest=migration.oldest)
