"""api/events: who gets an event, once, and what it costs."""

from typing import Any
from uuid import UUID

import pytest

from sql.store import Store
from tests.integration.api.accounts.people import Person, join, operator
from tests.integration.api.client import Api

EVENTS, ENDPOINTS = "/api/v1/events", "/api/v1/endpoints"
URL = "https://hooks.example.com/in"


async def make(who: Person, **wanted: Any) -> str:
    made = await who.post(ENDPOINTS, {"url": URL, **wanted})
    assert made.status == 201, made.body
    return str(made.body["id"])


async def emit(who: Person, type: str = "invoice.paid", **wanted: Any) -> dict[str, Any]:  # noqa: A002
    kept = await who.post(EVENTS, {"type": type, "payload": {"invoice": 1}, **wanted})
    assert kept.status == 201, kept.body
    return kept.body


async def receivers(who: Person, event: dict[str, Any]) -> set[str]:
    shown = (await who.get(f"{EVENTS}/{event['id']}")).body
    assert len(shown["deliveries"]) == event["messages"]
    return {each["endpoint_id"] for each in shown["deliveries"]}


@pytest.mark.parametrize(
    ("types", "wants"),
    [
        (None, {"invoice.paid", "invoice.line.added", "invoice", "stock.low"}),
        (["invoice.paid"], {"invoice.paid"}),
        (["invoice.*"], {"invoice.paid", "invoice.line.added"}),
        (["invoice.line.*", "stock.low"], {"invoice.line.added", "stock.low"}),
    ],
)
async def test_types_say_which_events_an_endpoint_gets(api: Api, types: list[str] | None, wants: set[str]) -> None:
    ada = await join(api)
    endpoint = await make(ada, event_types=types)
    got = set()
    for each in ("invoice.paid", "invoice.line.added", "invoice", "stock.low"):
        event = await emit(ada, each)
        if await receivers(ada, event) == {endpoint}:
            got.add(each)
    assert got == wants


async def test_events_of_a_customer_go_to_their_endpoints_and_those_of_all(api: Api) -> None:
    ada = await join(api)
    own, acme, globex, every = [await make(ada, customer=customer) for customer in (None, "acme", "globex", "*")]
    assert await receivers(ada, await emit(ada)) == {own, every}
    assert await receivers(ada, await emit(ada, customer="acme")) == {acme, every}
    assert await receivers(ada, await emit(ada, customer="hooli")) == {every}
    refused = await ada.post(EVENTS, {"type": "a", "payload": 1, "customer": "*"})
    assert (refused.status, refused.faults) == (422, [(None, "customer")])
    assert globex


async def test_channels_of_ones_own_narrow_it_down(api: Api) -> None:
    ada = await join(api)
    all_of_them, blue = await make(ada), await make(ada, channels=["blue", "green"])
    assert await receivers(ada, await emit(ada)) == {all_of_them}
    assert await receivers(ada, await emit(ada, channels=["green"])) == {all_of_them, blue}
    assert await receivers(ada, await emit(ada, channels=["red"])) == {all_of_them}


async def test_nobody_elses_endpoint_gets_an_event(api: Api) -> None:
    ada, bob = await join(api), await join(api, "bob@example.com")
    await make(bob, customer="*")
    await make(operator(api), customer="*")
    event = await emit(ada)
    assert event["messages"] == 0
    path = f"{EVENTS}/{event['id']}"
    assert [(await who.get(path)).status for who in (ada, bob, operator(api))] == [200, 404, 200]
    assert (await bob.post(f"{path}/replay", {})).status == 404


async def test_a_payload_is_kept_once_letter_for_letter(api: Api, store: Store) -> None:
    ada = await join(api)
    for _ in range(3):
        await make(ada)
    payload = '{ "b":1.0,"a" : "\\u00e9\\u0000é", "b": 2,\n"n": 12345678901234567890.10 }'
    body = f'{{"type": "odd.one", "payload": {payload}}}'.encode()
    answer = await ada.api.send(
        "POST",
        EVENTS,
        body=body,
        headers={"Authorization": f"Bearer {ada.credential}", "Content-Type": "application/json"},
    )
    assert (answer.status, answer.body["messages"]) == (201, 3)
    event = await store.events.get(UUID(answer.body["id"]))
    assert event is not None
    assert event.payload == payload
    async with store.database.pool.acquire() as connection:
        rows = await connection.fetch("SELECT id, content FROM messages")
    assert [row["content"] for row in rows] == ["", "", ""]
    shown = await ada.get(f"/api/v1/messages/{rows[0]['id']}")
    assert (shown.body["content"], shown.body["event_id"], shown.body["headers"]) == (payload, answer.body["id"], None)
    [listed, *_] = (await ada.get("/api/v1/messages")).body["messages"]
    assert (listed["content"], listed["content_truncated"]) == (payload, False)


async def test_the_same_id_is_the_same_event(api: Api) -> None:
    ada, bob = await join(api), await join(api, "bob@example.com")
    await make(ada)
    wanted = {"type": "invoice.paid", "payload": {"n": 1}, "id": "inv-1"}
    first, again = await ada.post(EVENTS, wanted), await ada.post(EVENTS, wanted)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert (first.headers.get("Idempotent-Replayed"), again.headers.get("Idempotent-Replayed")) == (None, "true")
    other = await ada.post(EVENTS, {**wanted, "payload": {"n": 2}})
    assert (other.status, other.faults) == (422, [(None, "id")])
    assert (await bob.post(EVENTS, wanted)).body["id"] != first.body["id"]


async def test_what_does_not_fit_is_refused(api: Api) -> None:
    ada = await join(api)
    whole: dict[str, Any] = {"type": "a.b", "payload": {}}
    for changes, field in (
        ({"type": "a..b"}, "type"),
        ({"type": "a.*"}, "type"),
        ({"type": "x" * 129}, "type"),
        ({"payload": "x" * 262_143}, "payload"),
        ({"customer": "a\nb"}, "customer"),
        ({"due_at": "2099-01-01T00:00:00Z"}, "due_at"),
        ({"channels": []}, "channels"),
        ({"id": "two words"}, "id"),
    ):
        refused = await ada.post(EVENTS, {**whole, **changes})
        assert (refused.status, refused.faults) == (422, [(None, field)]), changes
    assert (await ada.post(EVENTS, {"type": "a"})).faults == [(None, "payload")]
    assert (await ada.post(EVENTS, {**whole, "payload": "x" * 262_142})).status == 201
    limited = await ada.key(channels=["email"])
    assert (await limited.post(EVENTS, whole)).status == 403


async def test_an_event_costs_as_many_messages_as_it_becomes(api: Api) -> None:
    ada = await join(api)
    for _ in range(3):
        await make(ada)
    put = await operator(api).send("PUT", f"/api/v1/users/{ada.id}/quota", {"per_day": 7})
    assert put.status == 200, put.body
    assert [(await ada.post(EVENTS, {"type": "a", "payload": 1})).status for _ in range(3)] == [201, 201, 429]
    # One that nobody wants is free.
    assert (await ada.post(EVENTS, {"type": "a", "payload": 1, "customer": "nobody"})).status == 201


async def test_one_event_goes_to_a_thousand_endpoints_in_one_statement(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await join(api)
    endpoint = UUID(await make(ada))
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO endpoints (id, user_id, url, secret, created_at)"
            " SELECT gen_random_uuid(), user_id, url || i, secret, created_at"
            " FROM endpoints, generate_series(1, 999) AS i WHERE id = $1",
            endpoint,
        )
    event = await emit(ada)
    assert event["messages"] == 1000
    async with store.database.pool.acquire() as connection:
        ids = await connection.fetch("SELECT id, created_at FROM messages WHERE event_id = $1", UUID(event["id"]))
        versions = {(row["id"].version, row["id"].int >> 80) for row in ids}
    assert versions == {(7, UUID(event["id"]).int >> 80)}
    refused = await ada.post(ENDPOINTS, {"url": URL})
    assert (refused.status, "1000 endpoints" in refused.body["detail"]) == (409, True)


async def test_an_event_is_sent_again_to_one_or_to_all(api: Api, store: Store) -> None:
    ada = await join(api)
    first, _second = await make(ada), await make(ada)
    event = await emit(ada)
    path = f"{EVENTS}/{event['id']}/replay"
    # Both still wait.
    assert (await ada.post(path, {})).body == {"messages": 0}
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE messages SET status = 'cancelled', cancel_reason = 'exhausted'")
    assert (await ada.post(path, {"endpoint_id": first})).body == {"messages": 1}
    assert (await ada.post(path, {})).body == {"messages": 1}
    assert (await ada.get(f"{EVENTS}/{event['id']}")).body["statuses"] == {"cancelled": 2, "pending": 2}
