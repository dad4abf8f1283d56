"""api/messages/routes.py: one message, from its acceptance to its end."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, offers
from tests.integration.api.client import MESSAGE, Api
from tidings.domain.ids import new_id
from tidings.domain.message import Attempt, Delivery, Outcome
from tidings.domain.states import AttemptOutcome, CancelReason, Status
from tidings.domain.timestamps import utc_now

FIELDS = {
    "id",
    "channel",
    "recipient",
    "subject",
    "content",
    "headers",
    "queue",
    "priority",
    "status",
    "tries",
    "max_tries",
    "retry",
    "recoveries",
    "due_at",
    "expires_at",
    "sent_at",
    "cancel_reason",
    "content_truncated",
    "held_reason",
    "held_since",
    "receipt",
    "receipt_at",
    "receipt_detail",
    "endpoint_id",
    "event_id",
    "callback_url",
    "last_error",
    "provider_message_id",
    "account",
    "gateway",
    "from",
    "parts",
    "created_at",
}


async def take(store: Store) -> Delivery:
    """What a consumer does first with the only message that is due."""
    (batch,) = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1)
    (delivery,) = await store.batches.take(batch.id, consumer="consumer")
    return delivery


async def end(store: Store, delivery: Delivery, status: Status, outcome: AttemptOutcome, **changes: Any) -> None:
    """What a consumer does last with it."""
    attempt = Attempt(
        message_id=delivery.id,
        batch_id=delivery.batch_id,
        try_number=delivery.tries + 1,
        consumer="consumer",
        started_at=utc_now(),
        duration=0.25,
        outcome=outcome,
        status_code=202 if outcome is AttemptOutcome.ACCEPTED else 500,
        error=None if outcome is AttemptOutcome.ACCEPTED else "500 Internal Server Error",
        answer="thanks",
    )
    done = Outcome(
        message_id=delivery.id,
        batch_id=delivery.batch_id,
        status=status,
        tries=delivery.tries + 1,
        attempt=attempt,
        **changes,
    )
    await store.batches.record([done], closed=[delivery.batch_id], consumer="consumer")


async def test_a_message_is_answered_whole_and_found_where_it_is_said_to_be(api: Api) -> None:
    answer = await api.post("/api/v1/messages", MESSAGE)
    message = answer.body
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/messages/{message['id']}"
    assert message.keys() == FIELDS
    assert {name: message[name] for name in MESSAGE} == MESSAGE
    assert (message["status"], message["priority"], message["queue"]) == ("pending", "normal", "default")
    assert (message["tries"], message["max_tries"]) == (0, 5)
    assert message["due_at"] == message["created_at"]
    assert message["due_at"].endswith("Z")
    found = await api.get(answer.headers["Location"])
    assert (found.status, found.body) == (200, message)


async def test_everything_that_was_given_is_kept(api: Api) -> None:
    assert (await api.put("/api/v1/queues/night", {})).status == 201
    due_at = (utc_now() + timedelta(hours=1)).replace(microsecond=123456)
    given = {
        "channel": "webhook",
        "recipient": "https://example.com/hook?a=1",
        "content": "Grüße 👋🏽\n",
        "subject": "Hello",
        "headers": {"X-Trace": "a, b", "Content-Type": "text/plain"},
        "queue": "night",
        "priority": "low",
        "due_at": due_at.isoformat().replace("+00:00", "Z"),
        "expires_at": (due_at + timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
        "max_tries": 7,
        "retry": {"delays": [1.5, 60]},
    }
    message = await api.accept(**given)
    assert {name: message[name] for name in given} == given
    assert (await api.get(f"/api/v1/messages/{message['id']}")).body == message


async def test_epoch_times(api: Api) -> None:
    for seconds in (2_000_000_000, 2_000_000_000.5, 2_000_000_000_500, "2000000000"):
        assert (await api.accept(due_at=seconds))["due_at"].startswith("2033-05-18T03:33:20")


async def test_a_later_message_is_not_due_yet(api: Api, store: Store) -> None:
    await api.accept(due_at=(utc_now() + timedelta(hours=1)).isoformat())
    assert await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1) == []


async def test_an_unknown_id_is_not_found(api: Api) -> None:
    unknown = str(new_id())
    for message_id in (unknown, unknown.replace("-", ""), f"%7B{unknown}%7D", "1", "x" * 36, "%00"):
        path = f"/api/v1/messages/{message_id}"
        for method, action in (("GET", ""), ("GET", "/attempts"), ("POST", "/cancel"), ("POST", "/retry")):
            assert (await api.send(method, path + action)).status == 404, path + action


async def test_the_history_of_a_message(api: Api, store: Store) -> None:
    message = await api.accept()
    path = f"/api/v1/messages/{message['id']}"
    assert (await api.get(f"{path}/attempts")).body == {"attempts": []}
    await end(store, await take(store), Status.FAILED, AttemptOutcome.RETRY, last_error="500", due_at=utc_now())
    await end(
        store, await take(store), Status.SENT, AttemptOutcome.ACCEPTED, provider_message_id="abc", sent_at=utc_now()
    )
    attempts = (await api.get(f"{path}/attempts")).body["attempts"]
    assert [(each["try"], each["outcome"], each["status_code"]) for each in attempts] == [
        (1, "retry", 500),
        (2, "accepted", 202),
    ]
    assert attempts[0]["error"] == "500 Internal Server Error"
    assert attempts[1].keys() == {
        "try",
        "outcome",
        "started_at",
        "duration",
        "status_code",
        "error",
        "answer",
        "consumer",
    }
    assert (attempts[1]["duration"], attempts[1]["answer"], attempts[1]["consumer"]) == (0.25, "thanks", "consumer")
    sent = (await api.get(path)).body
    assert (sent["status"], sent["tries"], sent["provider_message_id"]) == ("sent", 2, "abc")
    assert datetime.fromisoformat(sent["sent_at"]) >= datetime.fromisoformat(sent["created_at"])


async def test_a_waiting_message_is_cancelled_once_and_for_all(api: Api, store: Store) -> None:
    message = await api.accept()
    first = await api.post(f"/api/v1/messages/{message['id']}/cancel")
    assert first.status == 200
    assert first.body == {**message, "status": "cancelled", "cancel_reason": "requested"}
    again = await api.post(f"/api/v1/messages/{message['id']}/cancel")
    assert (again.status, again.body) == (200, first.body)
    assert await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1) == []


async def test_a_cancelled_message_starts_again(api: Api, store: Store) -> None:
    message = await api.accept(due_at=(utc_now() + timedelta(days=1)).isoformat())
    await api.post(f"/api/v1/messages/{message['id']}/cancel")
    retried = await api.post(f"/api/v1/messages/{message['id']}/retry")
    assert retried.status == 200
    assert (retried.body["status"], retried.body["cancel_reason"], retried.body["tries"]) == ("pending", None, 0)
    assert (await take(store)).id == UUID(message["id"])


async def test_a_failed_message_is_due_now(api: Api, store: Store) -> None:
    message = await api.accept()
    later = utc_now() + timedelta(hours=1)
    await end(store, await take(store), Status.FAILED, AttemptOutcome.RETRY, last_error="500", due_at=later)
    retried = await api.post(f"/api/v1/messages/{message['id']}/retry")
    assert (retried.status, retried.body["status"], retried.body["tries"]) == (200, "failed", 1)
    assert datetime.fromisoformat(retried.body["due_at"]) < later


async def test_what_is_under_way_is_neither_cancelled_nor_retried(api: Api, store: Store) -> None:
    message = await api.accept()
    await take(store)
    for action in ("cancel", "retry"):
        answer = await api.post(f"/api/v1/messages/{message['id']}/{action}")
        assert (answer.status, answer.body["detail"]) == (409, "it is on its way already")


async def test_what_was_sent_is_neither_cancelled_nor_retried(api: Api, store: Store) -> None:
    message = await api.accept()
    await end(store, await take(store), Status.SENT, AttemptOutcome.ACCEPTED, sent_at=utc_now())
    for action in ("cancel", "retry"):
        answer = await api.post(f"/api/v1/messages/{message['id']}/{action}")
        assert (answer.status, answer.body["detail"]) == (409, "it was sent already")


async def test_what_waits_for_its_first_try_is_not_retried(api: Api) -> None:
    message = await api.accept()
    answer = await api.post(f"/api/v1/messages/{message['id']}/retry")
    assert (answer.status, answer.body["detail"]) == (409, "it waits for its first attempt")


async def test_what_was_not_delivered_says_why(api: Api, store: Store) -> None:
    message = await api.accept()
    reason = CancelReason.REJECTED
    await end(
        store, await take(store), Status.CANCELLED, AttemptOutcome.REJECTED, cancel_reason=reason, last_error="400"
    )
    found = (await api.get(f"/api/v1/messages/{message['id']}")).body
    assert (found["status"], found["cancel_reason"], found["last_error"]) == ("cancelled", "rejected", "400")


async def test_a_whole_batch_is_kept_in_its_order(api: Api) -> None:
    answer = await api.post(
        "/api/v1/messages/batch", {"messages": [{**MESSAGE, "content": str(number)} for number in range(1000)]}
    )
    assert (answer.status, answer.body["accepted"]) == (201, 1000)
    kept = {message["id"]: message["content"] for message in await api.all_messages()}
    assert [kept[message_id] for message_id in answer.body["ids"]] == [str(number) for number in range(1000)]


async def test_a_batch_names_every_bad_message_and_keeps_none(api: Api) -> None:
    messages: list[object] = [dict(MESSAGE) for _ in range(8)]
    messages[1] = {**MESSAGE, "recipient": "nobody", "priority": "urgent"}
    messages[3] = {**MESSAGE, "colour": "red"}
    messages[4] = "hello"
    messages[6] = {**MESSAGE, "queue": "nowhere"}
    messages[7] = msgspec.Raw(b'{"channel": "echo", "recipient": "x", "content": "\xff"}')
    answer = await api.post("/api/v1/messages/batch", {"messages": messages})
    assert answer.status == 422
    assert answer.faults == [(1, "recipient"), (1, "priority"), (3, "colour"), (4, None), (6, "queue"), (7, None)]
    assert answer.body["detail"].startswith("message 1: recipient ")
    assert await api.all_messages() == []


NO_BATCHES: Final[list[tuple[object, str | None]]] = [
    ({"messages": []}, "messages"),
    ({"messages": [MESSAGE] * 1001}, "messages"),
    ({"messages": MESSAGE}, "messages"),
    ({}, "messages"),
    ({"messages": [MESSAGE], "atomic": False}, "atomic"),
    ([MESSAGE], None),
]


async def test_a_batch_that_is_none(api: Api) -> None:
    for body, field in NO_BATCHES:
        answer = await api.post("/api/v1/messages/batch", body)
        assert (answer.status, answer.faults) == (422, [(None, field)])
    assert await api.all_messages() == []


async def test_the_delays_of_a_message_reach_the_one_that_delivers_it(api: Api, store: Store) -> None:
    message = await api.accept(**MESSAGE, retry={"delays": [1, 2.5, 60]})
    assert (message["max_tries"], message["retry"]) == (4, {"delays": [1, 2.5, 60]})
    assert (await take(store)).retry_delays == (1, 2.5, 60)


async def test_a_wrong_delay_is_named(api: Api) -> None:
    answer = await api.post("/api/v1/messages", {**MESSAGE, "retry": {"delays": [1, 604_801]}})
    assert answer.status == 422
    assert answer.body["errors"][0]["field"] == "retry.delays"
