"""The list of sent text messages: in the order of sending, one user's or all, and by its index alone."""

import json
from datetime import timedelta
from uuid import UUID

import pytest

from sql.store import Store
from tests.factories import keep
from tests.integration.sql.test_plans import nodes
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now

SENT = "UPDATE messages SET status = 'processing', batch_id = $1 WHERE id = $2"
FILL = """
INSERT INTO messages (
    id, user_id, queue, channel, recipient, content, priority, max_tries, due_at, created_at, status, sent_at, tries
)
SELECT
    (left(uuid_from_time(now() - n * interval '100 ms')::text, 14) || right(md5(n::text)::uuid::text, 22))::uuid,
    CASE WHEN n % 100 = 0 THEN $2::uuid END, 'default', 'sms', '+905551112233', 'x', 1, 5, now(), now(), 'sent',
    now() - n * interval '100 ms', 1
FROM generate_series(1, $1) AS n
"""


async def send(store: Store, message_id: UUID, *, seconds_ago: float) -> None:
    async with store.database.pool.acquire() as connection:
        await connection.execute(SENT, new_id(), message_id)
        await connection.execute(
            "UPDATE messages SET status = 'sent', batch_id = NULL, sent_at = $1 WHERE id = $2",
            utc_now() - timedelta(seconds=seconds_ago),
            message_id,
        )


async def test_by_time_of_sending_page_after_page(store: Store) -> None:
    owner = new_id()
    ids = await keep(store, 3, channel="sms") + await keep(store, 3, channel="sms", user_id=owner)
    await keep(store, channel="sms")
    [echo] = await keep(store, channel="echo")
    await send(store, echo, seconds_ago=0)
    for position, age in enumerate((3, 5, 1, 2, 2, 9)):
        await send(store, ids[position], seconds_ago=age)
    expected = [ids[position] for position in (2, 4, 3, 0, 1, 5)]
    everybody = await store.messages.sent_sms(None, before=None, limit=10)
    assert [message.id for message in everybody] == expected
    paged, edge = [], None
    while page := await store.messages.sent_sms(None, before=edge, limit=2):
        paged += [message.id for message in page]
        edge = page[-1]
    assert paged == expected
    own = await store.messages.sent_sms(owner, before=everybody[1], limit=10)
    assert [message.id for message in own] == [ids[3], ids[5]]


@pytest.mark.parametrize("whose", ["all", "a user's"])
async def test_a_page_is_read_from_the_index_without_a_sort(store: Store, whose: str) -> None:
    owner = new_id()
    query = store.database.queries.list_sent_sms if whose == "all" else store.database.queries.list_user_sent_sms
    literals = "NULL, NULL, NULL, 50" if whose == "all" else f"'{owner}', NULL, NULL, NULL, 50"
    async with store.database.pool.acquire() as connection:
        await connection.execute(FILL, 50_000, owner)
        await connection.execute(f"PREPARE sent AS {query.sql}")
        answer = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE sent ({literals})")
    [explained] = json.loads(answer)
    plan = list(nodes(explained["Plan"]))
    scans = [
        node
        for node in plan
        if node["Node Type"].endswith("Scan") and node["Actual Rows"] and "Subquery" not in node["Node Type"]
    ]
    assert {node["Node Type"] for node in scans} == {"Index Scan"}
    assert all(node["Index Name"].endswith("sent_at_id_user_id_idx") for node in scans)
    assert not any("Sort" in node["Node Type"] for node in plan)
    assert sum(node["Actual Rows"] for node in scans) <= 50 + len(scans)
    assert all(node.get("Rows Removed by Filter", 0) == 0 for node in scans)
