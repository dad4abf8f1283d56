"""The client against the real API, and the fake against the same: what holds of one holds of the other."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import pytest_asyncio

from api.app import create_app
from tests.integration.api.client import Api
from tidings.security.secretbox import new_key
from tidings.settings import Settings
from tidings_client import (
    AsyncClient,
    ConflictError,
    InvalidError,
    NewMessage,
    NotFoundError,
    NotReachedError,
    StoppedError,
    UnauthorizedError,
)
from tidings_client.testing import FakeTidings

RECIPIENT = "+905551111111"
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


@asynccontextmanager
async def real(settings: Settings) -> AsyncIterator[AsyncClient]:
    async with Api.serving(create_app(settings)) as api, AsyncClient(str(api.url), "") as client:
        yield client


@pytest_asyncio.fixture(params=["real", "fake"])
async def client(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[AsyncClient]:
    if request.param == "fake":
        yield FakeTidings().aio
        return
    open_to_all = msgspec.structs.replace(
        settings,
        secret_keys=(new_key(),),
        smtp_url="smtp://mail%40example.com:secret@mail.example.com",
        smtp_open_to="everyone",
    )
    async with real(open_to_all) as client:
        yield client


def numbered(count: int, due_at: datetime = LATER) -> Iterator[NewMessage]:
    return (
        {"channel": "sms", "recipient": RECIPIENT, "content": str(number), "due_at": due_at} for number in range(count)
    )


async def test_a_message_is_handed_in_looked_up_and_cancelled(client: AsyncClient) -> None:
    message = await client.send(
        "email", "ida@example.com", "hello", subject="news", due_at=LATER, priority="low", retry={"delays": [1, 2]}
    )
    assert (message.status, message.due_at, message.priority, message.subject) == ("pending", LATER, "low", "news")
    assert (message.retry.delays, message.max_tries) == ((1.0, 2.0), 3)
    assert await client.get(message.id) == message
    assert [each.id async for each in client.list(channel="email", created_from=message.created_at)] == [message.id]
    assert await client.attempts(message.id) == ()
    explained = await client.explain(message.id)
    assert (explained.reason, explained.facts.due_at) == ("not_due", LATER)
    assert (await client.cancel(message.id)).cancel_reason == "requested"
    assert (await client.explain(message.id)).reason == "requested"
    with pytest.raises(NotReachedError, match="and stays it"):
        await client.wait(message.id, until="sent")
    assert (await client.retry(message.id)).status == "pending"


async def test_a_key_is_one_message(client: AsyncClient) -> None:
    first = await client.send("sms", RECIPIENT, "x", due_at=LATER, idempotency_key="one")
    assert (await client.send("sms", RECIPIENT, "x", due_at=LATER, idempotency_key="one")).id == first.id
    with pytest.raises(InvalidError, match="was used for another request"):
        await client.send("sms", RECIPIENT, "y", due_at=LATER, idempotency_key="one")


async def test_many_are_kept_once_and_listed(client: AsyncClient) -> None:
    assert (await client.send_many(numbered(1100), key="all")).accepted == 1100
    assert (await client.send_many(numbered(1100), key="all")).accepted == 1100
    contents = [int(message.content) async for message in client.list(queue="default")]
    assert sorted(contents) == list(range(1100))
    with pytest.raises(StoppedError, match="was used for another request"):
        await client.send_many(numbered(500, LATER + timedelta(1)), key="all")
    assert await client.cancel_all(recipient=RECIPIENT) == 1100
    assert await client.retry_all(cancel_reason="requested") == 1100


async def test_what_is_refused_of_many_is_named_by_its_position(client: AsyncClient) -> None:
    messages: list[NewMessage] = [*numbered(510)]
    messages[505] = {"channel": "sms", "recipient": RECIPIENT, "content": ""}
    messages[507] = {"channel": "sms", "recipient": RECIPIENT, "content": "x", "queue": "nowhere"}
    with pytest.raises(StoppedError, match="message 505: content"):
        await client.send_many(messages, key="k")
    refused: dict[int, str | None] = {}
    sent = await client.send_many(
        messages, key="k", on_refused=lambda position, fault: refused.update({position: fault.field})
    )
    assert (sent.accepted, refused) == (508, {505: "content", 507: "queue"})


async def test_what_is_not_there_and_what_cannot_be(client: AsyncClient) -> None:
    for call in (client.get, client.attempts, client.explain, client.cancel, client.retry):
        with pytest.raises(NotFoundError):
            await call("0192f3a4-0000-7000-8000-000000000000")
    message = await client.send("sms", RECIPIENT, "x", due_at=LATER)
    with pytest.raises(ConflictError):
        await client.retry(message.id)
    with pytest.raises(InvalidError):
        await client.send("sms", RECIPIENT, "")


async def test_an_event_is_handed_in_once_and_looked_up(client: AsyncClient) -> None:
    event = await client.send_event("invoice.paid", {"amount": 7}, id="invoice-7", customer="ida")
    assert (event.type, event.customer, event.messages) == ("invoice.paid", "ida", 0)
    assert (await client.send_event("invoice.paid", {"amount": 7}, id="invoice-7", customer="ida")).id == event.id
    with pytest.raises(InvalidError):
        await client.send_event("invoice.paid", {"amount": 8}, id="invoice-7", customer="ida")
    found = await client.event(event.id)
    assert (found.payload, found.statuses, found.deliveries) == ({"amount": 7}, {}, ())
    with pytest.raises(NotFoundError):
        await client.event("0192f3a4-0000-7000-8000-000000000000")


async def test_queues_are_made_changed_and_switched(client: AsyncClient) -> None:
    made = await client.put_queue("sale", interval_seconds=60, batch_size=5)
    assert (made.active, made.interval_seconds, made.batch_size) == (True, 60, 5)
    assert (await client.stop_queue("sale")).active is False
    assert (await client.put_queue("sale", interval_seconds=30)).active is False
    assert (await client.start_queue("sale")).active is True
    assert {queue.name for queue in await client.queues()} >= {"default", "sale"}
    assert (await client.queue("sale")).interval_seconds == 30
    for call in (client.queue, client.start_queue, client.stop_queue):
        with pytest.raises(NotFoundError):
            await call("nowhere")


async def test_who_shows_no_key_is_refused(settings: Settings) -> None:
    async with real(msgspec.structs.replace(settings, api_key="a key that is long enough")) as client:
        with pytest.raises(UnauthorizedError):
            await client.queues()
