"""The overview, once and as a stream: real stores, and consumers that really deliver."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from api.app import create_app
from api.http import server_sent_events
from api.http.resources import FEED, REDIS
from api.overview import cluster
from api.overview import feed as overview_feed
from api.overview import overview as overviews
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.integration.api.client import Api
from tests.integration.consumers.test_consumer import Gateway, consuming, holding, keep_sms
from tests.reporting import report
from tidings.domain.timestamps import utc_now
from tidings.redis import keys
from tidings.settings import Settings

PATH = "/api/v1/overview"
EVENTS = f"{PATH}/events"


async def look(api: Api) -> dict[str, Any]:
    answer = await api.get(PATH)
    assert answer.status == 200, answer.body
    return answer.body


@asynccontextmanager
async def listening(api: Api) -> AsyncIterator[aiohttp.ClientResponse]:
    async with aiohttp.ClientSession() as session, session.get(api.url.join(api.url / EVENTS[1:])) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield response


async def next_event(response: aiohttp.ClientResponse) -> dict[str, Any]:
    name, data = (await response.content.readuntil(b"\n\n")).decode().rstrip("\n").split("\n")
    assert name == "event: overview"
    found: dict[str, Any] = msgspec.json.decode(data.removeprefix("data: "))
    return found


async def until_nobody_listens(app: web.Application) -> None:
    async def nobody() -> bool:
        return not app[FEED].listeners

    await eventually(nobody)


async def test_nothing_goes_on(api: Api) -> None:
    seen = await look(api)
    assert seen["totals"] == {
        "waiting": 0,
        "waiting_capped": False,
        "due": 0,
        "processing": 0,
        "in_flight": 0,
        "flow": {
            "sent": 0.0,
            "failed": 0.0,
            "cancelled": 0.0,
            "lateness_p50": None,
            "lateness_p99": None,
            "duration_p50": None,
            "duration_p99": None,
        },
    }
    assert (seen["channels"], seen["consumers"]) == ([], [])
    [queue] = seen["queues"]
    assert (queue["name"], queue["active"], queue["waiting"], queue["next_tick_at"]) == ("default", True, 0, None)
    assert seen["checks"]["redis"] == seen["checks"]["postgres"] == "ok"
    assert seen["checks"]["producer"] == seen["checks"]["consumers"] == "none is alive"
    history = seen["history"]
    assert len(history["at"]) == 720
    assert {len(column) for name, column in history.items() if isinstance(column, list)} == {720}
    assert history["at"][-1] - history["at"][0] == 3595
    assert abs(history["at"][-1] - utc_now().timestamp()) < 15


async def test_what_consumers_do_is_told(api: Api, store: Store, settings: Settings) -> None:
    assert (await api.put("/api/v1/queues/night", {})).status == 201
    await keep_sms(store, 120)
    await keep(store, 30)
    await keep(store, 5, queue="night")
    gateway = Gateway(*(web.Response(status=503) for _ in range(3)))
    others = msgspec.structs.replace(settings, consumer_name="another")
    async with consuming(settings, gateway) as one, consuming(others, gateway) as other:
        for consumer in (one, other):
            batches = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(1, consumer.name), batch_size=75)
            await asyncio.gather(*(consumer.deliver(batch.id, "a/0", quarantined=False) for batch in batches))

        async def told() -> dict[str, Any] | None:
            # What consumers report and what is counted in Postgres come at moments of their own.
            seen = await look(api)
            reported = sum(seen["history"]["sent"]) == 147 and len(seen["consumers"]) == 2
            return seen if reported and seen["totals"]["processing"] == 0 else None

        seen = await eventually(told)
    assert seen is not None
    history, flow = seen["history"], seen["totals"]["flow"]
    assert sum(history["failed"]) == 3
    assert {name: sum(counts["sent"]) for name, counts in history["channels"].items()} == {"echo": 30, "sms": 117}
    assert {name: sum(counts["sent"]) for name, counts in history["queues"].items()} == {"default": 147}
    assert 0 < flow["sent"] <= 147 / 5
    assert 0 < flow["lateness_p50"] <= flow["lateness_p99"] < 60
    assert 0 < flow["duration_p50"] <= flow["duration_p99"] < 60
    assert [channel["name"] for channel in seen["channels"]] == ["echo", "sms"]
    default, night = seen["queues"]
    assert default["flow"]["sent"] == flow["sent"]
    assert (night["flow"], night["waiting"], night["due"]) == (None, 5, 5)
    assert (seen["totals"]["waiting"], seen["totals"]["due"]) == (8, 5)
    assert sorted(consumer["name"] for consumer in seen["consumers"]) == sorted([one.name, "another"])
    assert {consumer["health"] for consumer in seen["consumers"]} == {"well"}


async def test_what_is_on_its_way(api: Api, store: Store, settings: Settings) -> None:
    await keep_sms(store, 12)
    async with holding(store, settings, in_flight=8):

        async def busy() -> dict[str, Any] | None:
            seen = await look(api)
            return seen if seen["totals"]["in_flight"] == 8 and seen["totals"]["processing"] == 12 else None

        seen = await eventually(busy)
        assert seen is not None
        [reported] = seen["consumers"]
        assert (reported["in_flight"], reported["places"], reported["open_batches"]) == (8, 8, 1)
        assert seen["history"]["in_flight"][-1] + seen["history"]["in_flight"][-2] >= 8


async def test_counting_ends_somewhere(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (overviews, cluster):
        monkeypatch.setattr(module, "COUNTED_UP_TO", 5)
    await keep(store, 4)
    await keep(store, 30, due_at=utc_now() + timedelta(hours=1))
    assert await store.queues.depths(limit=6) == {"default": await depth_of(store)}
    totals = (await look(api))["totals"]
    assert (totals["waiting"], totals["waiting_capped"], totals["due"]) == (5, True, 4)


async def depth_of(store: Store) -> Any:
    depths = await store.queues.depths(limit=6)
    assert (depths["default"].due, depths["default"].later, depths["default"].processing) == (4, 6, 0)
    return depths["default"]


async def test_a_paced_queue_tells_its_next_tick(api: Api, store: Store) -> None:
    await api.put("/api/v1/queues/default", {"interval_seconds": 600, "batch_size": 2})
    await keep(store, 5)
    await store.batches.claim_paced(offers(), batch_size=100)
    [queue] = (await look(api))["queues"]
    assert (queue["processing"], queue["waiting"]) == (2, 3)
    began, tick = (datetime.fromisoformat(queue[name]) for name in ("last_claimed_at", "next_tick_at"))
    assert tick - began == timedelta(seconds=600)


async def test_the_dead_and_what_nobody_can_read_are_left_out(app: web.Application, api: Api) -> None:
    present = int(utc_now().timestamp() // 5)
    await report(app[REDIS], name="silent", reported_at=utc_now() - timedelta(seconds=20))
    await report(app[REDIS], name="gone", reported_at=utc_now() - timedelta(minutes=5))
    async with app[REDIS].pipeline() as pipe:
        pipe.hset(keys.CONSUMERS, mapping={"odd": b"no report"})
        pipe.hset(keys.reports(present), mapping={"odd": b"\xff no report"})
        pipe.set(keys.depths(present), b"\xff")
        await pipe.execute()
    seen = await look(api)
    assert [(consumer["name"], consumer["health"]) for consumer in seen["consumers"]] == [("silent", "silent")]
    assert sum(seen["history"]["sent"]) == 0


async def test_without_redis_the_rest_is_told(settings: Settings, store: Store) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"redis://127.0.0.1:{taken.getsockname()[1]}"
        async with Api.serving(create_app(msgspec.structs.replace(settings, redis_uri=nowhere))) as api:
            await keep(store, 3)
            seen = await look(api)
    assert seen["totals"]["waiting"] == 3
    assert seen["totals"]["flow"] is seen["totals"]["in_flight"] is None
    assert seen["consumers"] == []
    assert seen["checks"]["redis"] == "does not answer"


async def test_a_stream_begins_with_the_whole_and_goes_on(app: web.Application, api: Api, store: Store) -> None:
    app[FEED]._every = 0.02
    async with listening(api) as first, listening(api) as second:
        for stream in (first, second):
            assert len((await next_event(stream))["history"]["at"]) == 720
        await keep(store, 3)
        for stream in (first, second):
            event = await next_event(stream)
            assert len(event["history"]["at"]) < 10
            while event["totals"]["waiting"] != 3:
                event = await next_event(stream)
        assert app[FEED].listeners == 2
    await until_nobody_listens(app)


async def test_who_does_not_read_is_let_go(app: web.Application, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_sent_events, "PATIENCE_SECONDS", 0.2)
    # The whole history each time, so that what is in between is soon full.
    monkeypatch.setattr(overview_feed, "LATE_EVENTS", -1)
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port, limit=1024)
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert b"200 OK" in await reader.readline()
    await until_nobody_listens(app)
    writer.close()


async def test_a_stop_ends_the_streams(app: web.Application) -> None:
    async with AsyncExitStack() as exits:
        session = await exits.enter_async_context(aiohttp.ClientSession())
        async with AsyncExitStack() as serving:
            api = await serving.enter_async_context(Api.serving(app))
            response = await session.get(api.url.join(api.url / EVENTS[1:]))
            await next_event(response)
            # Without the end of the stream, the server would wait a minute for it.
            async with asyncio.timeout(20):
                await serving.aclose()
        while await response.content.readany():
            pass
        assert response.content.at_eof()


async def test_moments_are_of_redis(app: web.Application, api: Api) -> None:
    seconds, _ = await app[REDIS].time()
    assert abs(datetime.fromisoformat((await look(api))["at"]) - datetime.fromtimestamp(seconds, UTC)) < timedelta(
        seconds=3
    )
