"""benchmarks/storage.py, with few messages"""

from pathlib import Path

import aiosql
import asyncpg

from benchmarks import storage
from benchmarks.rig import machine
from benchmarks.rig.machine import Database


async def test_every_step_and_every_index_is_counted(postgres_uri: str) -> None:
    connection = await asyncpg.connect(postgres_uri)
    try:
        queries = aiosql.from_path(Path(machine.__file__).with_name("rows.sql"), "asyncpg")
        database = Database(postgres_uri, connection, queries)
        measured = await storage.measure(database, 501, wave=500)
        assert measured.messages == 1_000
        assert await database.run("count_by_status", status="sent") == 1_000
    finally:
        await connection.close()
    assert set(measured.wal) == {"insert", "claim and take", "record the outcome"}
    # A row of 90 characters twice changed, and an attempt; nothing that belongs to no message.
    assert 200 < measured.relations["messages"] < 1500
    assert 100 < measured.relations["attempts"] < 300
    assert 16 < measured.relations["messages by id"] < 100
    assert all(100 < written < 3000 for written in measured.wal.values())
    text = "\n".join(storage.render(measured))
    assert text.startswith("Bytes a message on disk, after 1,000 delivered messages:")
