"""Partitions and what else the keeper cares for: made ahead of need, dropped when outlived."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from sql.database import Database


async def insert(
    database: Database, name: str, moments: Sequence[datetime], /, **parameters: Any
) -> list[asyncpg.Record]:
    """Runs a query that inserts rows of these moments, and makes a partition that is missing for one of them.

    None is, unless the keeper has been away for a week, or the clock of a process is wrong.
    """
    try:
        return await database.rows(name, **parameters)
    except asyncpg.CheckViolationError as error:
        # A constraint of ours has a name; a missing partition, at which nothing was written yet, has none.
        if error.constraint_name or not moments:
            raise
        await database.rows("make_partitions", from_time=min(moments), until_time=max(moments))
        return await database.rows(name, **parameters)


class PartitionStore:
    """The keeper's side of the store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def make(self, from_time: datetime, until_time: datetime) -> list[str]:
        """Makes the missing partitions for a span of time; answers their names."""
        rows = await self.database.rows("make_partitions", from_time=from_time, until_time=until_time)
        return [row["make_partitions"] for row in rows]

    async def drop_outlived(self, moment: datetime) -> list[str]:
        """Drops the partitions that hold nothing younger than the moment; answers their names.

        A partition of messages stays as long as one of its messages is unfinished. Taken out of use first, without
        locking out readers and writers; a crash in between leaves a table that is no partition, and no data in use.
        """
        dropped = []
        for row in await self.database.rows("outlived_partitions", moment=moment):
            name: str = row["name"]
            if row["parent"] == "messages" and await self.database.one("has_unfinished", first_day=name[-8:]):
                continue
            async with self.database.pool.acquire() as connection:
                await connection.execute(row["detach"])
                await connection.execute(row["drop"])
            dropped.append(name)
        return dropped

    async def forget_idempotency_keys(self, moment: datetime) -> None:
        """Lets keys older than the moment be used anew."""
        await self.database.one("forget_idempotency_keys", moment=moment)
