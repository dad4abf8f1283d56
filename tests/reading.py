"""A reader that does not end: what DDL has to wait for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg


@asynccontextmanager
async def reading(uri: str, table: str) -> AsyncIterator[None]:
    """A transaction that has read from the table and stays open, as a backup's does."""
    connection = await asyncpg.connect(uri)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetch(f"SELECT FROM {table} LIMIT 1")
            yield
    finally:
        await connection.close()
