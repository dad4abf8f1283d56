"""Builds indexes while others write.

`CREATE INDEX` locks out writers until it is done, and `CREATE INDEX CONCURRENTLY` knows no partitioned tables. So the
index is made on the table alone, which takes a moment, then concurrently on each partition, and attached; with the last
of them it becomes valid. A crash leaves partitions without their part, or with an invalid one: it is built again.

`DROP INDEX CONCURRENTLY` knows none either. A drop takes a moment, for which it waits as a migration does.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
import structlog

from sql.loader import load_queries
from tidings.domain.errors import SchemaError, describe

log = structlog.get_logger(__name__)

LOCK_SECONDS: Final = 2
"""How long writers wait behind us at the most when another transaction holds a table; then we try again."""
GIVE_UP_SECONDS: Final = 900.0
"""How long a migration is tried for before it says who holds the table and ends."""

_STATEMENT: Final = re.compile(
    r"CREATE (?P<unique>UNIQUE )?INDEX (?P<name>\w+) ON (?P<table>\w+) (?P<rest>.+)", re.DOTALL
)
_DROP: Final = re.compile(r"DROP INDEX (?P<name>\w+)")


async def build_concurrently(connection: "asyncpg.Connection[asyncpg.Record]", script: str) -> None:
    """Builds and drops the indexes of a script, in its order. Raises SchemaError where it holds anything else."""
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    for statement in filter(None, map(str.strip, "\n".join(lines).split(";"))):
        if match := _STATEMENT.fullmatch(statement):
            await _build(connection, **match.groupdict(""))
        elif match := _DROP.fullmatch(statement):
            await _patiently(connection, f"DROP INDEX IF EXISTS {match['name']}", match["name"])
        else:
            raise SchemaError(f"sql/migrations: not CREATE INDEX name ON table, nor DROP INDEX name: {statement}")


async def _build(
    connection: "asyncpg.Connection[asyncpg.Record]", *, unique: str, name: str, table: str, rest: str
) -> None:
    queries: Any = load_queries()

    async def build(index: str, on: str) -> None:
        # Invalid, where a crash left it.
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
        await connection.execute(f"CREATE {unique}INDEX CONCURRENTLY {index} ON {on} {rest}")

    if not await queries.is_partitioned(connection, table=table):
        await build(name, table)
        return

    await _patiently(connection, f"CREATE {unique}INDEX IF NOT EXISTS {name} ON ONLY {table} {rest}", name)
    # Partitions that are made meanwhile have it already.
    lacking = [row async for row in queries.partitions_without_index(connection, table=table, index=name)]
    for row in lacking:
        await build(row["part"], row["partition"])
        await _patiently(connection, f"ALTER INDEX {name} ATTACH PARTITION {row['part']}", name)


async def _patiently(connection: "asyncpg.Connection[asyncpg.Record]", statement: str, name: str) -> None:
    await run_patiently(connection, lambda: connection.execute(statement), what=name)


async def run_patiently(
    connection: "asyncpg.Connection[asyncpg.Record]", work: Callable[[], Awaitable[object]], *, what: str
) -> None:
    """Does what needs locks for a moment; whoever holds a table for longer does not make others wait behind us.

    `work` changes all or nothing: it is done again until it gets its locks. Raises SchemaError after
    `GIVE_UP_SECONDS`, naming the transactions that have been open for longest.
    """
    clock = asyncio.get_running_loop().time
    began, waits = clock(), False
    await connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    while True:
        try:
            await work()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if clock() - began > GIVE_UP_SECONDS:
                raise SchemaError(await _last_word(connection, what)) from error
            if not waits:
                log.warning("waits for a transaction that holds a table", migration=what, error=describe(error))
            waits = True
            await asyncio.sleep(LOCK_SECONDS)
        else:
            break
    await connection.execute("SET lock_timeout = 0")


async def _last_word(connection: "asyncpg.Connection[asyncpg.Record]", what: str) -> str:
    queries: Any = load_queries()
    holders = [
        f"{row['pid']} ({row['application_name'] or 'unnamed'}, {row['state']}, open for {row['open_for']})"
        async for row in queries.longest_transactions(connection)
    ]
    return (
        f"{what}: a table has stayed locked for {GIVE_UP_SECONDS:.0f} s, so nothing of this migration is applied; "
        "end the transaction that holds it and run `tidings migrate` again. "
        f"Open for longest: {'; '.join(holders) or 'none now'}"
    )
