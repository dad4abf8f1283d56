"""What the leading producer does to the tables: makes partitions ahead of need, drops what outlived its retention.

In play: the partitions of `messages` and `mail_parts` (by week) and `attempts` (by day), and `idempotency_keys`.
Everything may be repeated. A crash during a DETACH leaves a partition that is pending, or a table that is no partition
any more: the next `drop_outlived`, by whichever producer leads then, finalizes the one and drops the other.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import structlog

from sql.database import Connection, Database, Noun
from sql.indexes import LOCK_SECONDS
from tidings.domain.errors import describe

log = structlog.get_logger(__name__)

PARENTS: Final = ("messages", "mail_parts", "attempts")
"""The tables that have partitions."""
FORGOTTEN_AT_ONCE: Final = 10_000

MOST_KEPT: Final = 50_000
"""Waiting messages that are kept of an outlived partition by writing them again, which takes about a second."""
MOST_KEPT_BYTES: Final = 128 * 2**20
LEAST_GAIN: Final = 8 * 2**20
"""Bytes that this has to free."""
SHRINK_LOCK_SECONDS: Final = 0.3
"""How long claims may wait behind it when a reader holds the partition; the next round tries again."""


async def insert(
    database: Database, name: str, times: Sequence[datetime], /, **parameters: Any
) -> list[asyncpg.Record]:
    """Runs a query that inserts rows of these times, and makes a partition that is missing for one of them.

    Partitions are missing only if maintenance has not run for a week, or the clock of a process is wrong.
    """
    try:
        return await database.rows(name, **parameters)
    except asyncpg.CheckViolationError as error:
        # A constraint of ours has a name; a missing partition, at which nothing was written yet, has none.
        if error.constraint_name or not times:
            raise
        await database.rows("make_partitions", from_time=min(times), until_time=max(times))
        return await database.rows(name, **parameters)


BOUNDS: Final = {"most": MOST_KEPT, "most_bytes": MOST_KEPT_BYTES, "least_gain": LEAST_GAIN}
"""Those of a partition that is kept small."""


class MaintenanceStore(Noun):
    """The store as maintenance sees it."""

    async def make_partitions(self, from_time: datetime, until_time: datetime) -> list[str]:
        """Makes the missing partitions for a span of time; returns their names."""
        rows = await self.database.rows("make_partitions", from_time=from_time, until_time=until_time)
        return [row["make_partitions"] for row in rows]

    async def drop_outlived(self, parent: str, moment: datetime) -> list[str]:
        """Drops the partitions of a table that hold nothing younger than the moment; returns their names.

        It is detached first, without locking out readers and writers, for which Postgres waits until every transaction
        that uses the table has ended: hence a connection of its own, without a time limit. Where one partition fails
        the others are dropped, then the error is raised. A partition of messages of which some are unfinished stays,
        but only these stay in it, as long as they are not too many (`MOST_KEPT`).

        A table that was detached by hand is dropped too, unless it was renamed.
        """
        connection = await self.database.unlimited_connection()
        try:
            return await self._drop_outlived(connection, parent, moment)
        finally:
            connection.terminate()

    async def _drop_outlived(self, connection: Connection, parent: str, moment: datetime) -> list[str]:
        dropped, failed = [], None
        rows = self.database.queries.outlived_partitions(connection, parent=parent, moment=moment, **BOUNDS)
        for row in [row async for row in rows]:
            name: str = row["name"]
            try:
                if await _drop_one(connection, row):
                    dropped.append(name)
            except asyncpg.PostgresError as error:
                if connection.is_closed():
                    raise
                log.warning("a partition cannot be dropped", partition=name, error=describe(error))
                failed = error
        if failed is not None:
            raise failed
        return dropped

    async def forget_idempotency_keys(self, moment: datetime) -> None:
        """Forgets the keys older than the moment: they may be used again."""
        while (
            await self.database.one("forget_idempotency_keys", moment=moment, limit=FORGOTTEN_AT_ONCE)
            == FORGOTTEN_AT_ONCE
        ):
            pass


async def _shrink(connection: Connection, row: asyncpg.Record) -> None:
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{SHRINK_LOCK_SECONDS}s'")
            if await connection.fetchval(row["shrink"]):
                log.info("only what is unfinished was kept of a partition", partition=row["name"])
    except asyncpg.LockNotAvailableError as error:
        log.info("a partition stays as it is for now", partition=row["name"], error=describe(error))


async def _drop_one(connection: Connection, row: asyncpg.Record) -> bool:
    if row["attached"]:
        if not row["pending"] and await connection.fetchval(row["needed"]):
            if row["outlived"]:
                await _shrink(connection, row)
            return False
        await connection.execute(row["detach"])
    if not row["outlived"]:
        return False
    if await connection.fetchval(row["needed"]):
        # A finished message was retried before the DETACH took effect.
        await connection.execute(row["attach"])
        log.warning("a partition is back in use: something in it is unfinished", partition=row["name"])
        return False
    # A DROP waits for whoever reads the table, a backup perhaps; there are others to drop, and the next round comes.
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        await connection.execute(row["drop"])
    return True
