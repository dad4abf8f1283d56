"""consumers/delivery.py, with the whole consumer: receivers of endpoints that ask for a certificate or have a pace.

And a consumer of before, which knows no endpoints and meets a message of one.
"""

import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import trustme
from aiohttp import web

from sql.store import Store
from tests.eventually import eventually
from tests.integration.channels.receivers import web_receiver
from tests.integration.consumers.test_consumer import hand_over, until
from tests.integration.consumers.test_endpoints import Receiver, consuming, emit, make, message_of, quick, settings
from tidings.domain.endpoint import Private
from tidings.domain.message import Delivery
from tidings.domain.states import HeldReason, Status
from tidings.settings import Settings

__all__ = ["quick", "settings"]


@asynccontextmanager
async def asking(authority: trustme.CA, receiver: Receiver, named: list[str]) -> AsyncIterator[str]:
    """A receiver that lets nobody in who shows no certificate of this authority; notes whom it let in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED

    async def receive(request: web.Request) -> web.Response:
        assert request.transport is not None
        shown = request.transport.get_extra_info("ssl_object").getpeercert()
        named.extend(value for kind, value in shown["subjectAltName"] if kind == "DNS")
        return await receiver.receive(request)

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        [address] = runner.addresses
        yield f"https://127.0.0.1:{address[1]}/hook"
    finally:
        await runner.cleanup()


async def test_an_endpoint_shows_its_client_certificate(
    store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, receiver, named = trustme.CA(), Receiver(), list[str]()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    issued = authority.issue_cert("shop.example.com")
    private = Private(
        chain=b"".join(blob.bytes() for blob in issued.cert_chain_pems).decode(),
        key=issued.private_key_pem.bytes().decode(),
    )
    async with asking(authority, receiver, named) as url, consuming(settings) as consumer:
        endpoint = await make(store, url, private=private)
        event_id = await emit(store)
        await hand_over(store, consumer)
        await until(store, await message_of(store, event_id), Status.SENT)
        assert named == ["shop.example.com"]
        # Without it the receiver lets nobody in, also not on the connection that it let the certificate in by.
        await store.endpoints.change(msgspec.structs.replace(endpoint, sealed=None))
        await eventually(lambda: forgotten(consumer, endpoint.id))
        event_id = await emit(store)
        await hand_over(store, consumer)
        await until(store, await message_of(store, event_id), Status.FAILED)
    assert len(receiver.received) == 1


async def forgotten(consumer: Any, endpoint_id: UUID) -> bool:
    return consumer._endpoints.known(endpoint_id) is None


async def test_an_endpoint_gets_no_more_a_second_than_its_limit(store: Store, settings: Settings) -> None:
    arrivals: list[float] = []

    async def receive(_: web.Request) -> web.Response:
        arrivals.append(time.monotonic())
        return web.Response(status=204)

    async with web_receiver(receive) as url, consuming(settings) as consumer:
        await make(store, url, rate_limit=4)
        events = [await emit(store, max_tries=1) for _ in range(9)]
        await hand_over(store, consumer)
        # As many as may be tried once only: waiting for the pace uses up no attempt.
        for event_id in events:
            await until(store, await message_of(store, event_id), Status.SENT)
    assert len(arrivals) == 9
    # Within any second, and what may go at once; measured where they arrive, so with some room for the way.
    for first, later in zip(arrivals, arrivals[6:], strict=False):
        assert later - first > 0.8


async def test_a_consumer_of_before_gives_it_back_untried(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver()
    async with web_receiver(receiver.receive) as url:
        endpoint = await make(store, url)
        event_id = await emit(store)
        message_id = await message_of(store, event_id)
        async with consuming(settings) as before:
            take = before._store.batches.take

            async def as_before(batch_id: UUID, *, consumer: str) -> Sequence[Delivery]:
                return [await as_kept(store, each) for each in await take(batch_id, consumer=consumer)]

            monkeypatch.setattr(before._store.batches, "take", as_before)
            await hand_over(store, before)
            held = await eventually(lambda: held_message(store, message_id))
        assert held is not None
        assert (held.tries, held.held_reason, held.status) == (0, HeldReason.OURS, Status.PENDING)
        assert receiver.received == []
        # One that knows endpoints delivers it.
        monkeypatch.undo()
        async with consuming(settings) as now:
            await store.messages.retry(message_id)
            await hand_over(store, now)
            await until(store, message_id, Status.SENT)
    [(headers, body)] = receiver.received
    assert (headers["webhook-id"], body) == (str(event_id), b'{"n": 1}')
    assert endpoint.disabled_at is None


async def as_kept(store: Store, delivery: Delivery) -> Delivery:
    """What the statement of before reads: the columns as they are."""
    async with store.database.pool.acquire() as connection:
        row = await connection.fetchrow("SELECT content, headers, mail_bytes FROM messages WHERE id = $1", delivery.id)
    assert row is not None
    headers = msgspec.json.decode(row["headers"], type=dict[str, str])
    return msgspec.structs.replace(
        delivery,
        content=row["content"],
        headers=headers,
        mail_bytes=row["mail_bytes"],
        endpoint_id=None,
        event_id=None,
    )


async def held_message(store: Store, message_id: UUID) -> Any:
    message = await store.messages.get(message_id)
    return message if message is not None and message.held_reason is not None else None
