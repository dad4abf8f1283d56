"""The claim's plan on a table full of finished rows: index scans only, and no sort of more than its limit.

A consumer that takes a batch reads that batch alone, and its outcomes find their messages by their ids.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sql.batches import _ATTEMPT, _OUTCOME, Offer, _columns
from sql.low_water import FIRST, Asked, LowWater
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.integration.sql.test_batches import sent
from tidings.observability.reports import Depth

FINISHED = 200_000
ROOM = 200

PARAMETERS = {
    "priorities": "smallint[]",
    "queues": "text[]",
    "shares": "smallint[]",
    "mark_due_ats": "timestamptz[]",
    "mark_ids": "uuid[]",
    "quotas": "integer[]",
    "consumers": "text[]",
    "cutoff": "timestamptz",
    "room": "bigint",
    "batch_size": "integer",
    "batch_bytes": "bigint",
    "batch_ids": "uuid[]",
    "lease": "interval",
}

FILL = """
INSERT INTO messages (
    id, queue, channel, recipient, content, priority, max_tries, due_at, created_at, status, sent_at, tries
)
SELECT
    (left(uuid_from_time(now() - n * interval '100 ms')::text, 14) || right(md5(n::text)::uuid::text, 22))::uuid,
    'default', 'echo', 'x', 'x', 1, 5, now(), now(), 'sent', now(), 1
FROM generate_series(1, $1) AS n
"""


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def explain(store: Store, *, room: int) -> list[dict[str, Any]]:
    """The nodes of the plan that the claim ran with, for the generic plan that a producer uses."""
    claim = store.database.queries.claim
    asked = [
        Asked((*claim_lane, 0), (datetime.min.replace(tzinfo=UTC), FIRST), room) for claim_lane in DEFAULT_CLAIM_LANES
    ]
    parameters = store.batches._claim_parameters(asked, offers(room // 100), 100)
    values = [parameters[name] for name in PARAMETERS]
    async with store.database.pool.acquire() as connection:
        # EXECUTE takes no parameters of its own, only literals; the pool's sessions plan generically, as in production.
        await connection.execute(f"PREPARE claim ({', '.join(PARAMETERS.values())}) AS {claim.sql}")
        quoting = ", ".join(f"quote_nullable(${n}::{kind})" for n, kind in enumerate(PARAMETERS.values(), 1))
        literals = await connection.fetchrow(f"SELECT {quoting}", *values)
        assert literals is not None
        answer = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE claim ({', '.join(literals.values())})"
        )
    [explained] = json.loads(answer)
    return list(nodes(explained["Plan"]))


async def test_the_claim_reads_indexes_only(store: Store) -> None:
    async with store.database.pool.acquire() as connection:
        await connection.execute(FILL, FINISHED)
        assert await connection.fetchval("SELECT count(*) FROM messages") == FINISHED
    await keep(store, 1000)
    plan = await explain(store, room=ROOM)
    scans = {node["Node Type"] for node in plan if node.get("Relation Name", "").startswith("messages")}
    # (A scan node is named here under the partition that it reads.)
    assert scans <= {"Index Scan", "Index Only Scan", "ModifyTable"}
    assert "Index Scan" in scans
    claimed = [node for node in plan if node["Node Type"] == "ModifyTable" and node["Operation"] == "Update"]
    assert claimed
    assert claimed[0]["Actual Rows"] == ROOM
    for node in plan:
        if "Sort" in node["Node Type"]:
            assert node["Actual Rows"] <= ROOM
        if node["Node Type"] == "Index Scan":
            # Nothing is read only to be thrown away.
            assert node.get("Rows Removed by Filter", 0) == 0
            assert node["Actual Rows"] <= ROOM + 1


@pytest.fixture
async def batch(store: Store) -> Offer:
    """One of ten batches of a hundred messages; none of them was in processing when the statistics were made."""
    await keep(store, 1000)
    async with store.database.pool.acquire() as connection:
        await connection.execute("ANALYZE messages")
    offered = offers(10)
    await store.batches.claim(DEFAULT_CLAIM_LANES, offered, batch_size=100)
    return offered[0]


async def scans(store: Store, name: str, **parameters: Any) -> list[dict[str, Any]]:
    """The nodes that read messages when this query runs."""
    queries = store.database.queries
    arguments = [parameters[each] for each in queries.driver_adapter.var_sorted[name]]
    async with store.database.pool.acquire() as connection:
        answer = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {getattr(queries, name).sql}", *arguments)
    [explained] = json.loads(answer)
    return [
        node
        for node in nodes(explained["Plan"])
        if node.get("Relation Name", "").startswith("messages") and node["Node Type"] != "ModifyTable"
    ]


async def test_take_reads_its_batch_alone(store: Store, batch: Offer) -> None:
    found = await scans(store, "take", id=batch.batch_id, consumer=batch.consumer, lease=timedelta(seconds=60))
    assert {node["Node Type"] for node in found} == {"Index Scan"}
    assert sum(node["Actual Rows"] for node in found) == 100


async def test_outcomes_find_their_messages_by_id(store: Store, batch: Offer) -> None:
    deliveries = await store.batches.take(batch.batch_id, consumer=batch.consumer)
    outcomes = [sent(delivery) for delivery in deliveries]
    columns = _columns(_OUTCOME, outcomes) | _columns(_ATTEMPT, [outcome.attempt for outcome in outcomes])
    found = await scans(store, "record_outcomes", **columns, consumer=batch.consumer, closed_batch_ids=[batch.batch_id])
    assert {node.get("Index Name", "")[-5:] for node in found} == {"_pkey"}
    assert [node["Actual Loops"] for node in found if node["Actual Loops"]] == [100]


async def test_ten_thousand_empty_queues_cost_nothing(store: Store) -> None:
    """A poll and the depths read what the one queue that holds something holds, and a claim asks for it alone."""
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO queues (name, interval_seconds) SELECT 'q' || n, n % 2 FROM generate_series(1, 10000) AS n"
        )
    await keep(store, 3, queue="q5000")
    await keep(store, 2)
    for name in ("waiting", "queue_depths"):
        parameters = {"queues": None, "off_too": False, "limit": 10}
        found = await scans(store, name, **parameters)
        assert sum(node["Actual Loops"] for node in found) < 300, name
    low_water = LowWater()
    await store.batches.poll(low_water)
    assert low_water.queues() == {"default", "q5000"}
    depths = await store.queues.depths(limit=10)
    assert depths == {"default": Depth(2, 0, 0), "q5000": Depth(3, 0, 0)}


async def test_a_queue_that_is_off_is_passed_in_one_step(store: Store) -> None:
    await store.queues.put("b-off", active=False, interval_seconds=0, batch_size=None)
    await store.queues.put("c-on", active=True, interval_seconds=0, batch_size=None)
    for share in range(1, 51):
        await keep(store, queue="b-off", share=share)
    await keep(store, queue="c-on")
    low_water = LowWater()
    await store.batches.poll(low_water)
    assert low_water.queues() == {"c-on"}
    found = await scans(store, "waiting", queues=None, off_too=False)
    assert sum(node["Actual Loops"] for node in found) < 30
    assert set(await store.queues.depths(limit=100)) == {"b-off", "c-on"}
