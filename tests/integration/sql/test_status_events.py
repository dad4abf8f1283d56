"""Who is told of a change, and of which changes: the fragment `reported`, and what the leader makes of it."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from consumers import outcomes
from producer.status_events import StatusEvents
from sql.loader import QUERIES_DIR
from sql.receipts import NewReceipt
from sql.store import Store
from tests.factories import keep, new_hold
from tests.integration.producer.test_endpoints import emit, make
from tests.integration.sql.test_batches import claim
from tidings.channels.base import Accepted, Retry
from tidings.domain.message import Delivery, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.states import HeldReason, Receipt
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

SILENT = {
    "claim": "it goes on its way",
    "release": "it comes back as it was",
    "wake_endpoint": "when it is due",
    "wake_held": "when it is due",
    "wake_enabled": "when it is due",
    "retry_message": "its sender did that",
    "retry_these": "its sender did that",
    "erase_messages": "its user is being deleted",
    "erase_account_mails": "its user is being deleted",
}
"""Changes of which nobody is told, and why."""


def statements() -> dict[str, str]:
    text = "\n".join(file.read_text("utf-8") for file in QUERIES_DIR.glob("*.sql") if file.stem != "fragments")
    return dict(re.findall(r"^-- name: (\w+)(.*?)(?=^-- name:|\Z)", text, re.MULTILINE | re.DOTALL))


def test_every_statement_that_changes_messages_tells_of_it_or_says_why_not() -> None:
    changing = {name: text for name, text in statements().items() if "UPDATE messages" in text}
    assert {name for name, text in changing.items() if "{reported}" not in text} == set(SILENT)


async def told(store: Store, settings: Settings, user_id: UUID | None = None) -> list[dict[str, Any]]:
    await StatusEvents(store, settings).fan_out()
    events = await store.status_events.after(user_id, 0, limit=1000)
    assert [event.sequence for event in events] == sorted({event.sequence for event in events})
    return [msgspec.json.decode(event.payload) for event in events]


async def kinds(store: Store, settings: Settings, user_id: UUID | None = None) -> list[str]:
    return [event["type"].removeprefix("message.") for event in await told(store, settings, user_id)]


def concluded(delivery: Delivery, result: Accepted | Retry) -> Outcome:
    """What is recorded of an attempt; one that failed may be claimed again at once."""
    policy = RetryPolicy(jitter=0.0)
    outcome = outcomes.conclude(
        delivery, result, policy=policy, consumer="consumer", started_at=utc_now(), duration=0.1
    )
    return msgspec.structs.replace(outcome, due_at=None if outcome.due_at is None else utc_now())


async def record(store: Store, deliveries: list[Delivery], recorded: list[Outcome]) -> None:
    await store.batches.record(recorded, closed=[deliveries[0].batch_id], consumer="consumer")


async def test_nothing_is_written_for_nobody(store: Store) -> None:
    await make(store, None, event_types=("invoice.*",))
    await make(store, None)
    await make(store, None, event_types=("message.*",), customer="acme")
    await keep(store)
    [deliveries] = await claim(store)
    await record(store, deliveries, [concluded(each, Accepted()) for each in deliveries])
    assert await store.status_events.take(limit=10) == []


async def test_a_message_is_told_of_from_try_to_try_in_order(store: Store, settings: Settings) -> None:
    await store.status_events.read(None, on=True)
    [message_id] = await keep(store)
    for reason in (HeldReason.RATE, HeldReason.RATE, None):
        [[delivery]] = await claim(store)
        held = outcomes.returned(delivery, due_at=utc_now(), held_reason=reason)
        await record(store, [delivery], [held])
    for result in (Retry(error="HTTP 500"), Retry(error="HTTP 502"), Accepted(provider_message_id="abc")):
        [[delivery]] = await claim(store)
        await record(store, [delivery], [concluded(delivery, result)])
    for receipt, detail in (
        (Receipt.UNDELIVERED, "550 no such user"),
        (Receipt.UNDELIVERED, "550 no such user"),
        (Receipt.DELIVERED, "250 OK"),
    ):
        await store.receipts.record([NewReceipt(message_id=message_id, receipt=receipt, detail=detail)])
    events = await told(store, settings)
    expected = ["held", "failed", "failed", "sent", "undelivered", "delivered"]
    assert [event["type"].removeprefix("message.") for event in events] == expected
    assert {event["data"]["message_id"] for event in events} == {str(message_id)}
    assert [event["data"]["tries"] for event in events] == [0, 1, 2, 3, 3, 3]
    assert events[0]["data"]["held_reason"] == "rate"
    assert events[2]["data"]["last_error"] == "HTTP 502"
    assert events[3]["data"]["provider_message_id"] == "abc"
    assert events[3]["data"]["sent_at"].endswith("Z")
    assert events[4]["data"]["receipt_detail"] == "550 no such user"


async def test_an_outcome_that_came_too_late_is_told_of_by_nobody(store: Store, settings: Settings) -> None:
    await store.status_events.read(None, on=True)
    await keep(store)
    [deliveries] = await claim(store)
    sent = [concluded(each, Accepted()) for each in deliveries]
    await record(store, deliveries, sent)
    # The answer was lost, and it is written again.
    await record(store, deliveries, sent)
    assert await kinds(store, settings) == ["sent"]


async def test_every_way_to_be_cancelled(store: Store, settings: Settings) -> None:
    await store.status_events.read(None, on=True)
    [by_hand, *by_ids] = await keep(store, 3)
    await store.messages.cancel(by_hand)
    await store.messages.cancel(by_hand)
    await store.database.one("cancel_these", ids=by_ids)
    [expired] = await keep(
        store, expires_at=utc_now() + timedelta(milliseconds=1), due_at=utc_now() + timedelta(days=1)
    )
    await store.database.pool.execute("SELECT pg_sleep(0.01)")
    await store.database.one("expire", limit=10)
    [poison] = await keep(store)
    await claim(store)
    await store.database.pool.execute("DELETE FROM batches")
    await store.batches.heal_orphans(recoveries_allowed=1)
    events = await told(store, settings)
    assert {event["data"]["message_id"]: event["data"]["cancel_reason"] for event in events} == {
        str(by_hand): "requested",
        **{str(each): "requested" for each in by_ids},
        str(expired): "expired",
        str(poison): "poison",
    }
    assert {event["type"] for event in events} == {"message.cancelled"}
    assert len(events) == 5


async def test_events_go_to_endpoints_that_name_them_and_to_the_callback_url(store: Store, settings: Settings) -> None:
    user = await store.users.create(email="ada@example.com", password_hash="argon2")
    other = await store.users.create(email="bob@example.com", password_hash="argon2")
    endpoint = await make(store, user.id, event_types=("message.sent",))
    await make(store, other.id, event_types=("message.*",))
    await keep(store, user_id=user.id)
    await keep(store, user_id=user.id, callback_url="https://example.com/callback")
    [deliveries] = await claim(store)
    await record(store, deliveries, [concluded(each, Accepted()) for each in deliveries])
    assert await kinds(store, settings, user.id) == ["sent", "sent"]
    assert await told(store, settings, other.id) == []
    carriers = await store.database.pool.fetch(
        "SELECT * FROM messages WHERE event_id IS NOT NULL ORDER BY recipient, id"
    )
    assert [(row["recipient"], row["endpoint_id"]) for row in carriers] == [
        ("https://example.com/callback", None),
        ("https://example.com/in", endpoint.id),
        ("https://example.com/in", endpoint.id),
    ]
    assert {row["user_id"] for row in carriers} == {user.id}
    assert {row["priority"] for row in carriers} == {2}


@pytest.mark.parametrize("result", [Accepted(), Retry(error="HTTP 500")])
async def test_what_carries_a_status_event_makes_none(
    store: Store, settings: Settings, result: Accepted | Retry
) -> None:
    await make(store, None, event_types=("message.*",))
    await store.status_events.read(None, on=True)
    [message_id] = await keep(store, callback_url="https://example.com/callback")
    await store.messages.cancel(message_id)
    assert await kinds(store, settings) == ["cancelled"]
    [deliveries] = await claim(store)
    assert len(deliveries) == 2
    assert "message.cancelled" in deliveries[0].content
    await record(store, deliveries, [concluded(each, result) for each in deliveries])
    assert await kinds(store, settings) == ["cancelled"]


async def test_what_carries_an_event_of_a_user_makes_some(store: Store, settings: Settings) -> None:
    await make(store, None, event_types=("a.*",))
    await store.status_events.read(None, on=True)
    await emit(store, None)
    [deliveries] = await claim(store)
    await record(store, deliveries, [concluded(each, Accepted()) for each in deliveries])
    assert await kinds(store, settings) == ["sent"]


async def test_only_one_fan_out_is_at_work(store: Store, settings: Settings) -> None:
    await store.status_events.read(None, on=True)
    [message_id] = await keep(store)
    await store.messages.cancel(message_id)
    async with store.database.transaction() as connection:
        query = store.database.queries.take_status_changes.sql
        assert len(await connection.fetch(query, 10)) == 1
        await StatusEvents(store, settings).fan_out()
        assert await store.status_events.after(None, 0, limit=10) == []


async def test_a_gateway_that_is_held_is_told_of_once(store: Store, settings: Settings) -> None:
    hold = new_hold(channel="sms", reason=HeldReason.GATEWAY, last_error="HTTP 401")
    await store.holds.put([hold])
    await store.holds.put([msgspec.structs.replace(hold, id=new_hold().id)])
    await store.holds.put([new_hold()])
    [event] = await told(store, settings)
    assert event["type"] == "gateway.held"
    assert (event["data"]["channel"], event["data"]["last_error"]) == ("sms", "HTTP 401")
