"""Figure 7: accepted messages a second in batches of 500.

Through the API each request is checked, message by message, and is one commit. The reference is what Postgres can take:
asyncpg's binary `COPY` of the same rows into the same table (same indexes, same constraints), 500 to a commit, over one
connection; with all of them in one commit is given beside it.

What would make it lie: rows that differ (the same columns are filled on both sides), and a different number of commits.
"""

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.intake import MESSAGE
from benchmarks.rig import load
from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.machine import Database
from benchmarks.rig.system import system
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now

BATCH = 500
CLIENTS = 4
COLUMNS = ("id", "queue", "channel", "recipient", "content", "priority", "max_tries", "due_at", "created_at")


async def measure(current: Round) -> Numbers:
    batches = current.pick(100, 4)
    body = {"messages": [MESSAGE] * BATCH}
    async with system(current.machine) as running:
        await running.start_api()
        url, folder = f"{running.url}/api/v1/messages/batch", current.machine.folder
        await load.post(url, body, connections=CLIENTS, count=CLIENTS, folder=folder)
        await running.database.run("checkpoint")
        requests = await load.post(url, body, connections=CLIENTS, count=batches, folder=folder)
    async with system(current.machine) as running:
        in_batches = await _copy(running.database, [_rows(BATCH) for _ in range(batches)])
    async with system(current.machine) as running:
        at_once = await _copy(running.database, [_rows(BATCH * batches)])
    return {
        "through the API (messages/s)": requests * BATCH,
        "COPY, 500 a commit (messages/s)": in_batches,
        "COPY, one commit (messages/s)": at_once,
    }


def _rows(count: int) -> list[tuple[Any, ...]]:
    now = utc_now()
    return [
        (new_id(), "default", MESSAGE["channel"], MESSAGE["recipient"], MESSAGE["content"], 1, 5, now, now)
        for _ in range(count)
    ]


async def _copy(database: Database, groups: Sequence[Sequence[tuple[Any, ...]]]) -> float:
    await database.connection.copy_records_to_table("messages", records=_rows(BATCH), columns=COLUMNS)
    await database.run("checkpoint")
    began = time.perf_counter()
    for group in groups:
        await database.connection.copy_records_to_table("messages", records=group, columns=COLUMNS)
    return sum(map(len, groups)) / (time.perf_counter() - began)
