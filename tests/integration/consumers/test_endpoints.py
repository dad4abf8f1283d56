"""consumers/endpoints.py, with the whole consumer: what goes to webhook endpoints, and what becomes of these.

| | becomes of what waits | and of the endpoint |
|---|---|---|
| it is changed | goes to the new URL, signed by both secrets for a day | |
| it is disabled | held, `endpoint_disabled`, until it is enabled | |
| its receiver answers 410 | the same; that message is cancelled | disabled, `gone` |
| it only fails, for days | the same | disabled, `failing` |
| it is deleted | cancelled, "its endpoint was deleted" | |
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from consumers import endpoints as module
from consumers import holds
from consumers.consumer import Consumer
from consumers.endpoints import EndpointCache, EndpointHealth
from sql.batches import Offer
from sql.events import FanOut, Posted, Which
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES
from tests.integration.channels.receivers import web_receiver
from tests.integration.consumers.test_consumer import hand_over, until, until_held
from tidings.channels.base import About, Accepted, Retry
from tidings.domain.account import Sealed
from tidings.domain.endpoint import Basic, DisabledReason, Endpoint, NewEvent, Private
from tidings.domain.errors import UnsealError
from tidings.domain.ids import new_id, time_of
from tidings.domain.message import Message
from tidings.domain.states import CancelReason, HeldReason, Status
from tidings.domain.timestamps import utc_now
from tidings.security.sealed_headers import unseal_headers
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

KEY = new_key()
BOX = SecretBox((KEY,))
SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, secret_keys=(KEY,), webhook_allow_cidrs=("127.0.0.0/8",))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.05)
    monkeypatch.setattr(holds, "HELD_SECONDS", 1.0)


class Receiver:
    """Remembers what it was sent, and verifies it by each of its secrets."""

    def __init__(self, *secrets: str, status: int = 204) -> None:
        self.secrets = secrets or (SECRET,)
        self.status = status
        self.received: list[tuple[dict[str, str], bytes]] = []

    async def receive(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), {name.lower(): value for name, value in request.headers.items()}
        for secret in self.secrets:
            Webhook(secret).verify(body, headers)
        self.received.append((headers, body))
        return web.Response(status=self.status)


@asynccontextmanager
async def consuming(settings: Settings, **changes: Any) -> AsyncIterator[Consumer]:
    consumer = await Consumer.start(msgspec.structs.replace(settings, **changes))
    try:
        yield consumer
    finally:
        await consumer.stop()


async def make(store: Store, url: str, *, private: Private | None = None, **changes: Any) -> Endpoint:
    endpoint_id, now = new_id(), utc_now()
    sealed = private and BOX.seal(msgspec.json.encode(private).decode(), Purpose.ENDPOINT, endpoint_id)
    values: dict[str, Any] = {
        "id": endpoint_id,
        "user_id": None,
        "url": url,
        "sealed": sealed,
        "secret": seal(SECRET, endpoint_id),
        "created_at": now,
        "updated_at": now,
    }
    made = await store.endpoints.create(Endpoint(**{**values, **changes}))
    assert made is not None
    return made


def seal(secret: str, endpoint_id: UUID) -> Sealed:
    return BOX.seal(secret, Purpose.WEBHOOK_SECRET, endpoint_id)


async def emit(store: Store, payload: str = '{"n": 1}', *, max_tries: int = 5) -> UUID:
    event_id = new_id()
    event = NewEvent(id=event_id, user_id=None, type="a.b", payload=payload, created_at=time_of(event_id))
    fan_out = FanOut(
        queue="default", due_at=event.created_at, max_tries=max_tries, headers={"traceparent": "00-1-2-01"}
    )
    assert await store.events.post(event, fan_out) == Posted(kept=True, messages=1)
    return event_id


async def message_of(store: Store, event_id: UUID) -> UUID:
    [*_, last] = await store.events.messages(event_id, limit=10)
    return last.id


async def test_an_event_is_delivered_as_standard_webhooks_has_it(store: Store, settings: Settings) -> None:
    receiver = Receiver()
    payload = '{ "text" : "Grüße", "n": 1.10 }'
    async with web_receiver(receiver.receive) as url, consuming(settings) as consumer:
        private = Private(headers={"X-Shop": "4"}, credentials=Basic(username="me", password="swordfish"))
        await make(store, url, private=private)
        event_id = await emit(store, payload)
        await hand_over(store, consumer)
        message = await until(store, await message_of(store, event_id), Status.SENT)
    [(headers, body)] = receiver.received
    assert body == payload.encode()
    assert headers["webhook-id"] == str(event_id)
    assert (headers["x-shop"], headers["authorization"]) == ("4", "Basic bWU6c3dvcmRmaXNo")
    assert (headers["content-type"], headers["traceparent"]) == ("application/json", "00-1-2-01")
    assert not [name for name in headers if name.startswith("tidings-event")]
    assert (message.content, message.event_id, message.mail_bytes) == (payload, event_id, None)


async def test_a_consumer_of_before_sends_no_empty_body(store: Store) -> None:
    """It reads columns that are there, as it did: what they hold makes it give the message back untried."""
    await make(store, "https://example.com/hooks")
    message_id = await message_of(store, await emit(store))
    async with store.database.pool.acquire() as connection:
        row = await connection.fetchrow("SELECT content, headers, mail_bytes FROM messages WHERE id = $1", message_id)
    assert row is not None
    assert (row["content"], row["mail_bytes"]) == ("", 8)
    headers = msgspec.json.decode(row["headers"], type=dict[str, str])
    for box in (BOX, SecretBox(())):
        with pytest.raises(UnsealError):
            unseal_headers(headers, message_id, box)


async def test_what_waits_goes_by_what_its_endpoint_is_then(store: Store, settings: Settings) -> None:
    before, after = Receiver(), Receiver(SECRET, OTHER)
    async with (
        web_receiver(before.receive) as old_url,
        web_receiver(after.receive) as new_url,
        consuming(settings) as consumer,
    ):
        endpoint = await make(store, old_url)
        await emit(store)
        await hand_over(store, consumer)
        await eventually(lambda: asyncio.sleep(0, before.received))
        event_id = await emit(store)
        await store.endpoints.change(msgspec.structs.replace(endpoint, url=new_url))
        await store.endpoints.rotate(endpoint.id, seal(OTHER, endpoint.id), until=utc_now() + timedelta(hours=24))
        # The consumer hears of it.
        await eventually(lambda: asyncio.sleep(0, consumer._endpoints.known(endpoint.id) is None))
        await hand_over(store, consumer)
        await until(store, await message_of(store, event_id), Status.SENT)
    assert len(before.received) == 1
    [(headers, _)] = after.received
    assert headers["webhook-signature"].count("v1,") == 2


async def test_the_secret_before_signs_for_a_day_only(store: Store, settings: Settings) -> None:
    receiver = Receiver(OTHER)
    async with web_receiver(receiver.receive) as url, consuming(settings) as consumer:
        endpoint = await make(store, url)
        await store.endpoints.rotate(endpoint.id, seal(OTHER, endpoint.id), until=utc_now() - timedelta(seconds=1))
        event_id = await emit(store)
        await hand_over(store, consumer)
        await until(store, await message_of(store, event_id), Status.SENT)
    assert receiver.received[0][0]["webhook-signature"].count("v1,") == 1


async def test_410_disables_at_once_and_burns_nothing_more(store: Store, settings: Settings) -> None:
    receiver = Receiver(status=410)
    async with web_receiver(receiver.receive) as url, consuming(settings) as consumer:
        endpoint = await make(store, url)
        first = await emit(store)
        await hand_over(store, consumer)
        message = await until(store, await message_of(store, first), Status.CANCELLED)
        assert message.cancel_reason is CancelReason.REJECTED
        known = await store.endpoints.get(endpoint.id)
        assert known is not None
        assert (known.disabled_reason, known.last_error) == (DisabledReason.GONE, "HTTP 410 Gone")
        assert await store.holds.list() == []
        # New events pass it by.
        event_id = new_id()
        event = NewEvent(id=event_id, user_id=None, type="a", payload="1", created_at=time_of(event_id))
        fan_out = FanOut(queue="default", due_at=utc_now(), max_tries=5)
        assert (await store.events.post(event, fan_out)).messages == 0
        receiver.status = 204
        await store.endpoints.enable(endpoint.id)
        enabled = await store.endpoints.get(endpoint.id)
        assert enabled is not None
        step = await store.events.send_again(
            enabled, fan_out, which=Which.MISSING, since=message.created_at, until=utc_now(), limit=100
        )
        assert (step.messages, step.looked) == (2, 2)
        await eventually(lambda: asyncio.sleep(0, consumer._endpoints.known(endpoint.id) is None))
        await hand_over(store, consumer)
        for each in (first, event_id):
            await until(store, await message_of(store, each), Status.SENT)
        again = await store.events.send_again(
            enabled, fan_out, which=Which.MISSING, since=message.created_at, until=utc_now(), limit=100
        )
        assert again.messages == 0
    assert [headers["webhook-id"] for headers, _ in receiver.received].count(str(first)) == 2


async def test_what_is_disabled_holds_what_waits_until_it_is_enabled(store: Store, settings: Settings) -> None:
    receiver = Receiver()
    async with web_receiver(receiver.receive) as url, consuming(settings) as consumer:
        endpoint = await make(store, url)
        event_id = await emit(store)
        await store.endpoints.disable(endpoint.id)
        await hand_over(store, consumer)
        message = await until_held(store, await message_of(store, event_id), HeldReason.ENDPOINT_DISABLED)
        assert receiver.received == []
        assert (message.tries, (await store.endpoints.traffic(endpoint.id)).held) == (0, 1)
        assert await store.endpoints.enable(endpoint.id) is not None
        assert await store.endpoints.wake(endpoint.id) == 1
        await eventually(lambda: asyncio.sleep(0, consumer._endpoints.known(endpoint.id) is None))
        await store.messages.retry(message.id)
        await hand_over(store, consumer)
        await until(store, message.id, Status.SENT)


async def test_what_waits_for_a_deleted_endpoint_is_cancelled(store: Store, settings: Settings) -> None:
    receiver = Receiver()
    async with web_receiver(receiver.receive) as url, consuming(settings) as consumer:
        endpoint = await make(store, url)
        first, second = [await message_of(store, await emit(store)) for _ in range(2)]
        offer = Offer(new_id(), consumer.name)
        await store.endpoints.delete(endpoint.id)
        [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, [offer], batch_size=1)
        assert await store.endpoints.cancel_waiting(endpoint.id) == 1
        # One was claimed at that moment.
        await consumer.deliver(batch.id, f"{consumer.name}/0", quarantined=False)
        messages: list[Message] = [await until(store, each, Status.CANCELLED) for each in (first, second)]
    for message in messages:
        assert (message.cancel_reason, message.last_error) == (CancelReason.REQUESTED, "its endpoint was deleted")
    assert receiver.received == []


async def test_nothing_but_failures_for_days_disables(store: Store) -> None:
    endpoint = await make(store, "https://example.com/hooks")
    cache = EndpointCache(store.endpoints.among, clock=asyncio.get_running_loop().time)
    now = datetime(2026, 5, 1, tzinfo=UTC)
    health = EndpointHealth(store.endpoints, cache, disable_after=timedelta(days=5), now=lambda: now)

    async def seen(days: float, *results: Accepted | Retry) -> Endpoint:
        nonlocal now
        now = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=days)
        await cache.get(endpoint.id)
        for result in results:
            health.count(endpoint.id, result)
        await health.write()
        cache.forget(endpoint.id)
        found = await store.endpoints.get(endpoint.id)
        assert found is not None
        return found

    failure, busy = Retry(error="HTTP 500"), Retry(error="HTTP 429", about=About.PACE)
    assert (await seen(0, Accepted(), busy)).failing_since is None
    began = (await seen(1, failure, failure)).failing_since
    assert began == datetime(2026, 5, 2, tzinfo=UTC)
    assert (await seen(4, failure)).failing_since == began
    # One that is accepted begins it again.
    assert (await seen(5, failure, Accepted())).failing_since is None
    assert (await seen(5.5, failure)).disabled_at is None
    assert (await seen(10.4, failure)).disabled_at is None
    disabled = await seen(10.6, failure)
    assert (disabled.disabled_reason, disabled.last_error) == (DisabledReason.FAILING, "HTTP 500")
