"""Builds indexes while others write.

`CREATE INDEX` locks out writers until it is done, and `CREATE INDEX CONCURRENTLY` knows no partitioned tables. So the
index is made on the table alone, which takes a moment, then concurrently on each partition, and attached; with the last
of them it becomes valid. A crash leaves partitions without their part, or with an invalid one: it is built again.
"""

import asyncio
import re
from typing import Any, Final

import asyncpg

from sql.loader import load_queries
from tidings.domain.errors import SchemaError

LOCK_SECONDS: Final = 2
"""How long writers wait behind us at the most when another transaction holds the table; then we try again."""

_STATEMENT: Final = re.compile(
    r"CREATE (?P<unique>UNIQUE )?INDEX (?P<name>\w+) ON (?P<table>\w+) (?P<rest>.+)", re.DOTALL
)


async def build_concurrently(connection: "asyncpg.Connection[asyncpg.Record]", script: str) -> None:
    """Builds the indexes of a script. Raises SchemaError where it holds anything else."""
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    for statement in filter(None, map(str.strip, "\n".join(lines).split(";"))):
        match = _STATEMENT.fullmatch(statement)
        if match is None:
            raise SchemaError(f"sql/migrations: not CREATE INDEX name ON table: {statement}")
        await _build(connection, **match.groupdict(""))


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
    await _patiently(connection, f"CREATE {unique}INDEX IF NOT EXISTS {name} ON ONLY {table} {rest}")
    # Partitions that are made meanwhile have it already.
    lacking = [row async for row in queries.partitions_without_index(connection, table=table, index=name)]
    for row in lacking:
        await build(row["part"], row["partition"])
        await _patiently(connection, f"ALTER INDEX {name} ATTACH PARTITION {row['part']}")


async def _patiently(connection: "asyncpg.Connection[asyncpg.Record]", statement: str) -> None:
    """Runs what needs a lock for a moment; whoever holds the table for longer does not make others wait behind us."""
    await connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    try:
        while True:
            try:
                await connection.execute(statement)
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(LOCK_SECONDS)
            else:
                return
    finally:
        await connection.execute("SET lock_timeout = 0")
