"""api/messages/idempotency.py"""

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web

from api.http.resources import STORE
from tests.integration.api.client import MESSAGE, Answer, Api
from tidings.domain.timestamps import utc_now

KEY = "Idempotency-Key"


async def post(api: Api, key: str, **changes: object) -> Answer:
    return await api.post("/api/v1/messages", {**MESSAGE, **changes}, **{KEY: key})


async def test_the_same_request_again_is_the_same_message(api: Api) -> None:
    first = await post(api, "k1")
    again = await post(api, "k1")
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await api.all_messages()) == 1


async def test_the_order_of_the_fields_is_no_matter(api: Api) -> None:
    webhook = {**MESSAGE, "channel": "webhook", "recipient": "https://example.com/"}
    first = await post(api, "k1", **webhook, headers={"A": "1", "B": "2"})
    again = await api.post(
        "/api/v1/messages", {"headers": {"B": "2", "A": "1"}, **dict(reversed(list(webhook.items())))}, **{KEY: "k1"}
    )
    assert first.status == 201
    assert (again.status, again.body) == (201, first.body)


async def test_another_request_under_the_same_key_is_refused(api: Api) -> None:
    await post(api, "k1")
    answer = await post(api, "k1", content="something else")
    assert (answer.status, answer.faults) == (422, [(None, KEY)])
    assert len(await api.all_messages()) == 1


async def test_other_keys_are_other_messages(api: Api) -> None:
    assert (await post(api, "k1")).body["id"] != (await post(api, "k2")).body["id"]


async def test_a_replay_shows_what_became_of_the_message(api: Api) -> None:
    message = (await post(api, "k1")).body
    await api.post(f"/api/v1/messages/{message['id']}/cancel")
    assert (await post(api, "k1")).body["status"] == "cancelled"


async def test_many_at_once_are_one_message(api: Api) -> None:
    answers = await asyncio.gather(*(post(api, f"k{number % 5}") for number in range(100)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["id"] for answer in answers}) == 5
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 5
    assert len(await api.all_messages()) == 5


async def test_the_first_answer_stands_when_the_request_has_become_late(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires_at = (utc_now() + timedelta(hours=1)).isoformat()
    first = await post(api, "k1", expires_at=expires_at)
    monkeypatch.setattr("api.messages.validation._expires_at", lambda _, __, faults: faults.update(expires_at="late"))
    again = await post(api, "k1", expires_at=expires_at)
    assert (again.status, again.body) == (201, first.body)
    assert (await post(api, "k2", expires_at=expires_at)).status == 422


async def test_a_key_must_be_visible(api: Api) -> None:
    for key in ("", " ", "two words", "x" * 256, "schlüssel"):
        answer = await post(api, key)
        assert (answer.status, answer.faults) == (422, [(None, KEY)]), key
    assert await api.all_messages() == []


BATCH = "/api/v1/messages/batch"


def batch(*contents: str) -> dict[str, object]:
    return {"messages": [{**MESSAGE, "content": content} for content in contents]}


async def test_the_same_batch_again_is_the_same_messages(api: Api) -> None:
    first = await api.post(BATCH, batch("a", "b", "a"), **{KEY: "k1"})
    again = await api.post(BATCH, batch("a", "b", "a"), **{KEY: "k1"})
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    kept = {message["id"]: message["content"] for message in await api.all_messages()}
    assert [kept[message_id] for message_id in first.body["ids"]] == ["a", "b", "a"]
    assert len(kept) == 3


async def test_another_batch_under_the_same_key_is_refused(api: Api) -> None:
    await api.post(BATCH, batch("a", "b"), **{KEY: "k1"})
    answer = await api.post(BATCH, batch("a", "c"), **{KEY: "k1"})
    assert (answer.status, answer.faults) == (422, [(None, KEY)])
    assert len(await api.all_messages()) == 2


async def forget(app: web.Application, key: str) -> None:
    async with app[STORE].database.transaction() as connection:
        assert await connection.execute("DELETE FROM idempotency_keys WHERE key = $1", key) == "DELETE 1"


async def test_a_batch_that_is_known_in_part_says_what_became_of_each_message(app: web.Application, api: Api) -> None:
    first = await api.post(BATCH, batch("a", "b", "c"), **{KEY: "k1"})
    await forget(app, "k1 1/3")
    again = await api.post(BATCH, batch("a", "b", "c"), **{KEY: "k1"})
    assert again.status == 201
    assert "Idempotent-Replayed" not in again.headers
    [a, _, c] = first.body["ids"]
    [entry_a, entry_b, entry_c] = again.body["messages"]
    assert (entry_a, entry_c) == ({"status": "replayed", "id": a}, {"status": "replayed", "id": c})
    assert entry_b["status"] == "created"
    assert (again.body["accepted"], again.body["ids"]) == (3, [a, entry_b["id"], c])
    kept = {message["id"]: message["content"] for message in await api.all_messages()}
    assert [kept[message_id] for message_id in again.body["ids"]] == ["a", "b", "c"]


async def test_of_another_batch_under_a_key_that_is_half_forgotten_only_the_new_part_is_kept(
    app: web.Application, api: Api
) -> None:
    await api.post(BATCH, batch("a", "b"), **{KEY: "k1"})
    await forget(app, "k1 1/2")
    answer = await api.post(BATCH, batch("x", "y"), **{KEY: "k1"})
    [x, y] = answer.body["messages"]
    assert (answer.status, x["status"], y["status"]) == (201, "not_kept", "created")
    assert KEY in x["detail"]
    assert (answer.body["accepted"], answer.body["ids"]) == (1, [y["id"]])
    assert sorted(message["content"] for message in await api.all_messages()) == ["a", "b", "y"]


async def test_a_key_that_is_forgotten_before_it_is_looked_up_is_not_reported_as_kept(
    app: web.Application, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.post(BATCH, batch("a", "b"), **{KEY: "k1"})
    await forget(app, "k1 1/2")

    async def nothing(_user_id: object, _keys: object) -> list[object]:
        return []

    monkeypatch.setattr(app[STORE].messages, "known_keys", nothing)
    answer = await api.post(BATCH, batch("a", "b"), **{KEY: "k1"})
    assert (answer.status, [each["status"] for each in answer.body["messages"]]) == (201, ["not_kept", "created"])
    # Nothing was kept by the request itself: all or none.
    assert (await api.post(BATCH, batch("a", "b"), **{KEY: "k1"})).status == 503


async def test_the_keys_of_batches_and_of_single_messages_are_apart(api: Api) -> None:
    await post(api, "k1")
    assert (await api.post(BATCH, batch("a"), **{KEY: "k1"})).status == 201
    assert len(await api.all_messages()) == 2


async def test_many_batches_at_once_are_one(api: Api) -> None:
    answers = await asyncio.gather(*(api.post(BATCH, batch("a", "b"), **{KEY: "k1"}) for _ in range(10)))
    assert {answer.status for answer in answers} == {201}
    assert len({tuple(answer.body["ids"]) for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert len(await api.all_messages()) == 2


async def test_the_first_answer_to_a_batch_stands_when_it_has_become_late(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await api.post(BATCH, batch("a", "b"), **{KEY: "k1"})
    monkeypatch.setattr("api.messages.validation._expires_at", lambda _, __, faults: faults.update(expires_at="late"))
    again = await api.post(BATCH, batch("a", "b"), **{KEY: "k1"})
    assert (again.status, again.body) == (201, first.body)
    assert (await api.post(BATCH, batch("a", "b"), **{KEY: "k2"})).status == 422


async def test_a_refused_batch_keeps_no_key(api: Api) -> None:
    assert (await api.post(BATCH, {"messages": [{**MESSAGE, "recipient": "nobody"}]}, **{KEY: "k1"})).status == 422
    assert (await api.post(BATCH, batch("a"), **{KEY: "k1"})).status == 201
