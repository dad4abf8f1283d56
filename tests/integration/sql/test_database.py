"""Connections outside the pool."""

import asyncpg
import pytest

from sql.store import Store
from tests.eventually import eventually

LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def test_a_listener_that_cannot_listen_leaves_no_connection(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise asyncpg.InsufficientPrivilegeError("no")

    async with store.database.pool.acquire() as connection:
        before = await connection.fetchval(LISTENERS)
        with monkeypatch.context() as patched:
            patched.setattr(asyncpg.Connection, "add_listener", refuse)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await store.database.listen({"tidings_turns": print})

        async def gone() -> bool:
            return bool(await connection.fetchval(LISTENERS) == before)

        await eventually(gone)
