"""Status events on their whole way: an outcome, the leader's fan-out, a delivery, verified with Standard Webhooks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from consumers.consumer import Consumer
from producer.status_events import StatusEvents
from sql.store import Store
from tests.factories import keep
from tests.integration.channels.receivers import web_receiver
from tests.integration.consumers.test_consumer import hand_over, until
from tests.integration.consumers.test_endpoints import KEY, SECRET, Receiver, make
from tidings.domain.message import Message
from tidings.domain.states import CancelReason, Status
from tidings.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        secret_keys=(KEY,),
        webhook_allow_cidrs=("127.0.0.0/8",),
        webhook_signing_secret=SECRET,
    )


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    consumer = await Consumer.start(settings)
    try:
        yield consumer
    finally:
        await consumer.stop()


async def carriers(store: Store) -> list[Message]:
    rows = await store.database.pool.fetch("SELECT id FROM messages WHERE event_id IS NOT NULL ORDER BY id")
    found = [await store.messages.get(row["id"]) for row in rows]
    return [message for message in found if message is not None]


async def test_each_change_arrives_signed_and_once(store: Store, settings: Settings) -> None:
    """At an endpoint that takes all of them, and at the callback URL of the message."""
    receiver, broken = Receiver(), Receiver(status=500)
    async with (
        web_receiver(receiver.receive) as url,
        web_receiver(broken.receive) as elsewhere,
        consuming(settings) as consumer,
    ):
        await make(store, f"{url}endpoint", event_types=("message.*",))
        [refused] = await keep(store, channel="webhook", recipient=elsewhere, max_tries=2, callback_url=url)
        for status in (Status.FAILED, Status.CANCELLED):
            await store.database.pool.execute("UPDATE messages SET due_at = now()")
            await hand_over(store, consumer)
            await until(store, refused, status)
        await StatusEvents(store, settings).fan_out()
        await hand_over(store, consumer)
        for carrier in await carriers(store):
            await until(store, carrier.id, Status.SENT)
        await StatusEvents(store, settings).fan_out()
        waiting = await store.database.pool.fetchval("SELECT count(*) FROM messages WHERE status = 'pending'")
    assert (len(receiver.received), waiting) == (4, 0)
    events = {headers["webhook-id"]: msgspec.json.decode(body) for headers, body in receiver.received}
    first, second = sorted(events.values(), key=lambda event: event["sequence"])
    assert [event["type"] for event in (first, second)] == ["message.failed", "message.cancelled"]
    assert [event["data"]["tries"] for event in (first, second)] == [1, 2]
    assert {event["data"]["message_id"] for event in (first, second)} == {str(refused)}
    assert second["data"]["cancel_reason"] == CancelReason.EXHAUSTED
    assert {headers["content-type"] for headers, _ in receiver.received} == {"application/json"}
