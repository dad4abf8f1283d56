"""api/events/reading: status events by pages and as a stream; whose they are, and what ends a stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse, ClientSession, web
from yarl import URL

from api.events import reading, reading_routes
from api.events.reading import HEARTBEAT
from api.http.resources import STATUS_STREAMS
from producer.status_events import StatusEvents
from sql.store import Store
from tests.integration.api.accounts.people import Person, join, operator
from tests.integration.api.client import Api
from tidings.settings import Settings

EVENTS, READING, STREAM = "/api/v1/events", "/api/v1/events/reading", "/api/v1/events/stream"
MAIL = {"channel": "email", "recipient": "ida@example.com", "content": "hello"}


async def cancelled(who: Person, store: Store, settings: Settings, **wanted: Any) -> str:
    """A message of theirs that has made an event."""
    body = {
        "channel": "email",
        "recipient": "ida@example.com",
        "content": "hello",
        "due_at": "2030-01-01T00:00:00Z",
        **wanted,
    }
    made = await who.post("/api/v1/messages", body)
    assert made.status == 201, made.body
    assert (await who.post(f"/api/v1/messages/{made.body['id']}/cancel")).status == 200
    await StatusEvents(store, settings).fan_out()
    return str(made.body["id"])


async def on(who: Person) -> None:
    answer = await who.send("PUT", READING, {"enabled": True})
    assert (answer.status, answer.body["enabled"]) == (200, True)


def ids(page: Any) -> list[str]:
    return [event["data"]["message_id"] for event in page["events"]]


async def test_pages_follow_one_another(api: Api, store: Store, settings: Settings) -> None:
    ada = await join(api)
    await cancelled(ada, store, settings)
    assert (await ada.get(EVENTS)).body == {"events": [], "last": 0}
    await on(ada)
    wanted = [await cancelled(ada, store, settings) for _ in range(3)]
    first = (await ada.get(f"{EVENTS}?limit=2")).body
    second = (await ada.get(f"{EVENTS}?limit=2&after={first['last']}")).body
    assert ids(first) + ids(second) == wanted
    assert (await ada.get(f"{EVENTS}?after={second['last']}")).body == {"events": [], "last": second["last"]}
    assert (await ada.get(READING)).body == {"enabled": True, "last": second["last"]}
    [event, _] = first["events"]
    assert (event["type"], event["data"]["cancel_reason"]) == ("message.cancelled", "requested")
    assert (await ada.get(f"{EVENTS}/{event['id']}")).body["payload"]["sequence"] == event["sequence"]
    assert (await ada.send("PUT", READING, {"enabled": False})).body["enabled"] is False
    await cancelled(ada, store, settings)
    assert len(ids((await ada.get(EVENTS)).body)) == 3


async def test_everybody_sees_their_own(api: Api, store: Store, settings: Settings) -> None:
    ada, bob = await join(api), await join(api, "bob@example.com")
    for each in (ada, bob):
        await on(each)
    mine = await cancelled(ada, store, settings)
    assert ids((await ada.get(EVENTS)).body) == [mine]
    assert ids((await bob.get(EVENTS)).body) == []
    assert ids((await operator(api).get(EVENTS)).body) == []


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=1e3", "after=1&after=2", "limit=0", "before=1"])
async def test_what_is_no_position_is_refused(api: Api, query: str) -> None:
    ada = await join(api)
    assert (await ada.get(f"{EVENTS}?{query}")).status == 422


async def test_a_callback_url_is_checked(api: Api, store: Store, settings: Settings) -> None:
    ada = await join(api)
    for url in ("ftp://example.com/", "https://10.0.0.1/", "nonsense"):
        refused = await ada.post("/api/v1/messages", {**MAIL, "callback_url": url})
        assert refused.status == 422, url
        assert refused.faults == [(None, "callback_url")]
    message_id = await cancelled(ada, store, settings, callback_url="https://example.com/status")
    shown = (await ada.get(f"/api/v1/messages/{message_id}")).body
    assert shown["callback_url"] == "https://example.com/status"
    # Nothing else was asked for, and it can be read as well.
    assert ids((await ada.get(EVENTS)).body) == [message_id]
    listed = (await ada.get("/api/v1/messages?channel=webhook")).body["messages"]
    assert [each["recipient"] for each in listed] == ["https://example.com/status"]


async def next_event(response: ClientResponse) -> dict[str, Any]:
    """The next one that is no comment."""
    lines: dict[str, str] = {}
    async with asyncio.timeout(20):
        async for line in response.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                lines[name] = value
            elif "data" in lines:
                return {**lines, "data": msgspec.json.decode(lines["data"])}
    raise AssertionError("the stream ended")


@asynccontextmanager
async def listening(who: Person, query: str = "", **headers: str) -> AsyncIterator[ClientResponse]:
    headers = {"Authorization": f"Bearer {who.credential}", **headers}
    url = who.api.url.join(URL(STREAM + query, encoded=True))
    async with ClientSession() as session, session.get(url, headers=headers) as response:
        yield response


async def test_a_stream_begins_now_or_where_it_was_left(api: Api, store: Store, settings: Settings) -> None:
    ada = await join(api)
    await on(ada)
    before = await cancelled(ada, store, settings)
    async with listening(ada) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["X-Accel-Buffering"] == "no"
        # With the first comment it stands where it begins.
        assert await response.content.readline() == HEARTBEAT.splitlines(keepends=True)[0]
        after = await cancelled(ada, store, settings)
        event = await next_event(response)
    assert (event["event"], event["data"]["data"]["message_id"]) == ("message.cancelled", after)
    assert int(event["id"]) == event["data"]["sequence"]
    for position in ({"Last-Event-ID": "0"}, {"query": "?after=0"}, {"query": "?after=1000", "Last-Event-ID": "0"}):
        async with listening(ada, **position) as response:
            seen = [(await next_event(response))["data"]["data"]["message_id"] for _ in range(2)]
        assert seen == [before, after]
    async with listening(ada, **{"Last-Event-ID": "the last"}) as response:
        assert response.status == 422


async def test_everybody_hears_of_their_own(api: Api, store: Store, settings: Settings) -> None:
    ada, bob = await join(api), await join(api, "bob@example.com")
    for each in (ada, bob):
        await on(each)
    async with listening(ada, "?after=0") as response:
        await cancelled(bob, store, settings)
        mine = await cancelled(ada, store, settings)
        assert (await next_event(response))["data"]["data"]["message_id"] == mine


async def nobody(app: web.Application) -> None:
    """Waits until no stream is open."""
    async with asyncio.timeout(20):
        while app[STATUS_STREAMS].open:  # noqa: ASYNC110  (streams end by themselves)
            await asyncio.sleep(0.01)


async def test_streams_are_bounded(app: web.Application, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_STREAMS_EACH", 2)
    monkeypatch.setattr(reading, "MOST_STREAMS", 3)
    ada, bob = await join(api), await join(api, "bob@example.com")
    async with listening(ada), listening(ada):
        refused = await ada.get(STREAM)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
        async with listening(bob) as response:
            assert response.status == 200
            assert (await operator(api).get(STREAM)).status == 429
    await nobody(app)
    async with listening(ada) as response:
        assert response.status == 200


async def test_a_stream_ends_with_its_key(app: web.Application, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_routes, "RECHECK_SECONDS", 0.0)
    app[STATUS_STREAMS].heartbeat = 0.05
    ada = await join(api)
    program = await ada.key(scopes=["read"])
    async with listening(program) as response:
        [key] = (await ada.get("/api/v1/api-keys")).body["api_keys"]
        assert (await ada.send("DELETE", f"/api/v1/api-keys/{key['id']}")).status in {200, 204}
        async with asyncio.timeout(20):
            while await response.content.readany():
                pass
        assert response.content.at_eof()


async def test_who_may_read_and_who_may_switch(api: Api) -> None:
    ada = await join(api)
    reader, limited = await ada.key(scopes=["read"]), await ada.key(channels=["email"])
    assert (await reader.get(EVENTS)).status == 200
    assert (await reader.send("PUT", READING, {"enabled": True})).status == 403
    # An event says what became of messages of any channel.
    assert [(await limited.get(path)).status for path in (EVENTS, STREAM, READING)] == [403, 403, 403]
    await on(ada)
    entries = (await operator(api).get("/api/v1/audit?action=events.reading")).body["audit"]
    assert [entry["detail"] for entry in entries] == [{"enabled": True}]


async def test_a_stop_ends_the_streams(app: web.Application) -> None:
    async with AsyncExitStack() as exits:
        async with AsyncExitStack() as serving:
            api = await serving.enter_async_context(Api.serving(app))
            response = await exits.enter_async_context(listening(operator(api)))
            assert await response.content.readline()
            async with asyncio.timeout(20):
                await serving.aclose()
        while await response.content.readany():
            pass
        assert response.content.at_eof()
