"""With ten thousand queues, the overview and the metrics name those that hold most, and stay as small as they are."""

from aiohttp import web

from api.http.resources import METRICS
from sql.store import Store
from tests.factories import keep
from tests.integration.api.client import Api

QUEUES = 10_000


async def test_the_overview_and_the_metrics_are_bounded(app: web.Application, api: Api, store: Store) -> None:
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO queues (name) SELECT 'q' || n FROM generate_series(1, $1::integer) AS n", QUEUES
        )
    for number in range(1, 121):
        await keep(store, 2 if number <= 100 else 1, queue=f"q{number}")
    seen = (await api.get("/api/v1/overview")).body
    assert {queue["name"] for queue in seen["queues"]} == {f"q{number}" for number in range(1, 101)}
    assert seen["queues_left_out"] == QUEUES + 1 - 100
    assert seen["totals"]["waiting"] == 220
    body = (await app[METRICS].registry.exposition()).body
    assert isinstance(body, bytes)
    metrics = body.decode()
    counted = [line for line in metrics.splitlines() if line.startswith("tidings_messages_waiting{")]
    assert len(counted) == 101
    assert 'tidings_messages_waiting{queue="q7"} 2.0' in counted
    assert 'tidings_messages_waiting{queue="(others)"} 20.0' in counted
    assert len(metrics) < 200_000
