"""api/metrics.py: requests by route, and the work that is there."""

import math
from datetime import timedelta

import aiohttp
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from api.http.resources import METRICS, READINESS, REDIS, STORE
from api.metrics import ApiMetrics, Work
from api.overview.cluster import QueueDepths
from producer.depths import DepthRecorder
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, new_hold, offers
from tests.integration.api.client import MESSAGE, Api
from tidings.domain.ids import new_id
from tidings.domain.states import HeldReason
from tidings.domain.timestamps import utc_now


async def seen(app: web.Application) -> dict[tuple[str, ...], float]:
    body = (await app[METRICS].registry.exposition()).body
    assert isinstance(body, bytes)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


async def test_requests_are_counted_by_route_never_by_path(app: web.Application, api: Api) -> None:
    message = await api.accept()
    await api.get(f"/api/v1/messages/{message['id']}")
    await api.get(f"/api/v1/messages/{new_id()}")
    await api.post("/api/v1/messages", {**MESSAGE, "channel": "smoke"})
    await api.get("/nothing/here")
    async with aiohttp.ClientSession() as session, session.request("PROPFIND", api.url / "pot") as response:
        assert response.status in {404, 405}
    values = await seen(app)
    requests = {name[1:]: value for name, value in values.items() if name[0] == "tidings_api_requests_total"}
    assert requests == {
        ("POST", "/api/v1/messages", "201"): 1,
        ("POST", "/api/v1/messages", "422"): 1,
        ("GET", "/api/v1/messages/{id}", "200"): 1,
        ("GET", "/api/v1/messages/{id}", "404"): 1,
        ("GET", "unmatched", "404"): 1,
        ("other", "unmatched", str(response.status)): 1,
    }
    assert values["tidings_api_request_seconds_count", "POST", "/api/v1/messages"] == 2
    assert values["tidings_messages_accepted_total",] == 1


async def test_how_long_a_stream_lasts_is_not_measured() -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        return response

    metrics = ApiMetrics("here")
    app = web.Application(middlewares=[metrics.counted])
    app[METRICS] = metrics
    app.add_routes([web.get("/events", stream)])
    async with Api.serving(app) as api, aiohttp.ClientSession() as session, session.get(api.url / "events") as response:
        assert response.status == 200
        await response.read()
    values = await seen(app)
    assert values["tidings_api_requests_total", "GET", "/events", "200"] == 1
    assert not any(name[0] == "tidings_api_request_seconds_count" for name in values)


async def test_what_the_queues_hold(app: web.Application, api: Api, store: Store) -> None:
    assert (
        await api.put("/api/v1/queues/slow", {"interval_seconds": 60, "batch_size": 1, "active": False})
    ).status == 201
    await keep(store, 3)
    await keep(store, 2, due_at=utc_now() + timedelta(hours=1))
    await keep(store, 4, queue="slow", due_at=utc_now() - timedelta(minutes=1))
    await store.batches.claim(DEFAULT_CLAIM_LANES, offers(1), batch_size=2)
    values = await seen(app)
    queues = {
        queue: tuple(values[f"tidings_messages_{what}", queue] for what in ("waiting", "due", "processing"))
        for queue in ("default", "slow")
    }
    assert queues == {"default": (3, 1, 2), "slow": (4, 4, 0)}
    assert values["tidings_queue_active", "slow"] == 0
    assert values["tidings_queue_interval_seconds", "slow"] == 60
    # What stands in a stopped queue is not late.
    assert values["tidings_behind_seconds",] < 30
    assert (values["tidings_producer_up",], values["tidings_consumers_up",]) == (0, 0)


async def test_what_is_held(app: web.Application, api: Api, store: Store) -> None:
    values = await seen(app)
    assert math.isnan(values["tidings_messages_held", "gateway"])
    assert math.isnan(values["tidings_holds", "gateway"])
    await keep(store, 3, due_at=utc_now() + timedelta(hours=1))
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE messages SET held_reason = 'gateway', held_since = now() - interval '90 s'")
    await store.holds.put([new_hold()])
    await DepthRecorder(store, app[REDIS]).record()
    values = await seen(app)
    assert {reason: values["tidings_messages_held", reason] for reason in HeldReason} == {
        reason: 3 if reason is HeldReason.GATEWAY else 0 for reason in HeldReason
    }
    assert 90 <= values["tidings_held_seconds", "gateway"] < 120
    assert (values["tidings_holds", "endpoint_disabled"], values["tidings_holds", "gateway"]) == (1, 0)
    # Held, not late.
    assert values["tidings_behind_seconds",] == 0


async def test_a_count_is_good_for_a_while(app: web.Application, api: Api, store: Store) -> None:
    moment = 0.0
    work = Work(app[STORE], app[READINESS], QueueDepths(app[STORE].queues, clock=lambda: moment))
    await work.poll()
    await keep(store, 1)
    await work.poll()
    [waiting] = [m for m in work.collect() if m.name == "tidings_messages_waiting"]
    assert [sample.value for sample in waiting.samples] == [0]
    moment = 3600.0
    await work.poll()
    [waiting] = [m for m in work.collect() if m.name == "tidings_messages_waiting"]
    assert [sample.value for sample in waiting.samples] == [1]


async def test_while_a_store_is_away_what_it_would_say_is_not_a_number(app: web.Application, api: Api) -> None:
    await seen(app)
    await app[STORE].database.pool.close()
    work = Work(app[STORE], app[READINESS], QueueDepths(app[STORE].queues))
    await work.poll()
    values = {sample.name: sample.value for metric in work.collect() for sample in metric.samples if not sample.labels}
    assert math.isnan(values["tidings_behind_seconds"])
    assert math.isnan(values["tidings_consumers_up"])
    up = {s.labels["store"]: s.value for m in work.collect() if m.name == "tidings_store_up" for s in m.samples}
    assert up == {"postgres": 0, "redis": 1}
