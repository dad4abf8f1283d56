"""The transitions that the database allows are exactly the arrows of docs/states.md."""

import itertools
import re
from pathlib import Path

import asyncpg

from sql.database import PoolConnection
from sql.store import Store
from tests.factories import new_message
from tidings.domain.ids import new_id
from tidings.domain.states import Status

DIAGRAM = Path(__file__).parents[3] / "docs" / "states.md"


def arrows() -> set[tuple[Status, Status]]:
    found = re.findall(r"^\s+(\w+) --> (\w+) :", DIAGRAM.read_text("utf-8"), flags=re.MULTILINE)
    return {(Status(start), Status(end)) for start, end in found}


COLUMNS = """
    batch_id = CASE WHEN $2 = 'processing' THEN $3::uuid END,
    sent_at = CASE WHEN $2 = 'sent' THEN now() END,
    cancel_reason = CASE WHEN $2 = 'cancelled' THEN 'requested'::cancel_reason END
"""


async def put_in(connection: "PoolConnection", status: Status) -> object:
    """A fresh message, put into a status past the trigger."""
    message = new_message()
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(
        """INSERT INTO messages (id, queue, channel, recipient, content, priority, max_tries, due_at, created_at)
        VALUES ($1, 'default', 'echo', 'x', 'x', 1, 5, now(), now())""",
        message.id,
    )
    await connection.execute(
        f"UPDATE messages SET status = $2::text::message_status, {COLUMNS} WHERE id = $1",
        message.id,
        status.value,
        new_id(),
    )
    await connection.execute("SET session_replication_role = DEFAULT")
    return message.id


async def test_the_database_allows_exactly_the_diagram(store: Store) -> None:
    allowed = set()
    async with store.database.pool.acquire() as connection:
        for start, end in itertools.permutations(Status, 2):
            message_id = await put_in(connection, start)
            change = connection.execute(
                f"UPDATE messages SET status = $2::text::message_status, {COLUMNS} WHERE id = $1",
                message_id,
                end.value,
                new_id(),
            )
            try:
                await change
            except asyncpg.CheckViolationError:
                continue
            allowed.add((start, end))
    assert allowed == arrows()
