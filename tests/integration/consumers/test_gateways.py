"""Several SMS gateways, with the whole consumer: rows of the table, a provider's answers, holds, failover."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from consumers import holds, limiter
from consumers.consumer import Consumer
from sql import gateways as module
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.channels.sms.providers import GOOD, INVALID, Provider, twilio
from tests.integration.consumers.test_consumer import hand_over
from tests.integration.consumers.test_holds import all_of, deliver_until, no_longer_processing
from tidings.domain.gateway import Gateway
from tidings.domain.ids import new_id
from tidings.domain.message import Message
from tidings.domain.states import CancelReason, HeldReason, Status
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

KEY = new_key()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent back comes again soon, and changes are read often."""
    monkeypatch.setattr(limiter, "SHORTEST_RETRY_IN", 0.05)
    monkeypatch.setattr(holds, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(module, "CHANGED_SECONDS", 0.2)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, secret_keys=(KEY,), webhook_url="")


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider().serving(twilio) as provider:
        yield provider


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    consumer = await Consumer.start(settings)
    try:
        yield consumer
    finally:
        await consumer.stop()


def gateway(provider: Provider, token: str = "right", *, name: str = "twilio", **more: Any) -> Gateway:
    gateway_id = new_id()
    credentials = msgspec.json.encode({"account_sid": "AC1", "auth_token": token}).decode()
    sealed = SecretBox([KEY]).seal(credentials, Purpose.GATEWAY, gateway_id)
    return Gateway(
        **{
            "id": gateway_id,
            "name": name,
            "preset": "twilio",
            "base_url": provider.url,
            "credentials": sealed,
            "senders": ("+15005550006",),
            **more,
        }
    )


async def texts(store: Store, count: int = 1, **more: Any) -> list[UUID]:
    return list(await keep(store, count, channel="sms", **{"recipient": GOOD, **more}))


async def only(store: Store, message_id: UUID) -> Message:
    [message] = await all_of(store, [message_id])
    return message


async def test_a_message_says_which_gateway_took_it(store: Store, settings: Settings, provider: Provider) -> None:
    await store.gateways.make(gateway(provider))
    [good] = await texts(store, sender="+15005550006")
    [bad] = await texts(store, recipient=INVALID)
    async with consuming(settings) as consumer:
        await deliver_until(store, consumer, [good], Status.SENT)
        await deliver_until(store, consumer, [bad], Status.CANCELLED)
    sent, refused = await only(store, good), await only(store, bad)
    assert (sent.gateway, sent.provider_message_id) == ("twilio", "SM1")
    assert (refused.gateway, refused.cancel_reason) == ("twilio", CancelReason.REJECTED)
    assert "21211" in (refused.last_error or "")
    assert {request["From"] for request in provider.requests} == {"+15005550006"}


async def test_a_wrong_key_burns_nothing_and_a_right_one_lets_all_go(
    store: Store, settings: Settings, provider: Provider
) -> None:
    _, made = await store.gateways.make(gateway(provider, "wrong"))
    ids = await texts(store, 20)
    async with consuming(settings) as consumer:
        await hand_over(store, consumer)
        held = await no_longer_processing(store, ids)
        assert {(each.status, each.tries, each.held_reason) for each in held} == {
            (Status.PENDING, 0, HeldReason.GATEWAY)
        }
        assert any("twilio" in (each.last_error or "") for each in held)
        mended = msgspec.structs.replace(gateway(provider), id=made.id)
        sealed = SecretBox([KEY]).seal('{"account_sid":"AC1","auth_token":"right"}', Purpose.GATEWAY, made.id)
        await store.gateways.change(msgspec.structs.replace(mended, credentials=sealed))
        sent = await deliver_until(store, consumer, ids, Status.SENT)
    assert {each.tries for each in sent} == {1}


async def test_the_next_one_takes_over_where_one_is_held(store: Store, settings: Settings, provider: Provider) -> None:
    await store.gateways.make(gateway(provider, "wrong", name="first", prefixes=("+49",)))
    await store.gateways.make(gateway(provider, name="second"))
    ids = await texts(store, 20)
    async with consuming(settings) as consumer:
        await hand_over(store, consumer)
        await no_longer_processing(store, ids)
        async with store.database.transaction() as connection:
            await connection.execute("UPDATE messages SET due_at = now() WHERE status = 'pending'")
        sent = await deliver_until(store, consumer, ids, Status.SENT)
    assert {each.gateway for each in sent} == {"second"}
    assert len(provider.requests) == 20


@pytest.mark.parametrize("allows", [False, True])
async def test_what_may_have_been_sent_is_not_sent_by_another(
    store: Store, settings: Settings, provider: Provider, *, allows: bool
) -> None:
    """The first takes the message, and its answer never comes."""
    settings = msgspec.structs.replace(settings, breaker_failures=1, retry_delays=(0.05,) * 20, max_tries=20)
    asked = 0

    async def breaks_off(_: Provider, request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        assert request.transport is not None
        await request.read()
        request.transport.abort()
        return web.Response()

    async with AsyncExitStack() as stack:
        silent = await stack.enter_async_context(Provider().serving(breaks_off))
        await store.gateways.make(gateway(silent, name="first", prefixes=("+49",), allows_duplicates=allows))
        await store.gateways.make(gateway(provider, name="second"))
        [message_id] = await texts(store)
        consumer = await stack.enter_async_context(consuming(settings))
        if allows:
            await deliver_until(store, consumer, [message_id], Status.SENT)
            assert (await only(store, message_id)).gateway == "second"
        else:
            await _has_been_tried(store, consumer, message_id)
            message = await only(store, message_id)
            assert message.gateway == "first"
            assert not provider.requests


async def _has_been_tried(store: Store, consumer: Consumer, message_id: UUID) -> None:
    """Until it has waited for its gateway after an attempt."""

    async def waits() -> bool:
        await hand_over(store, consumer)
        message = await only(store, message_id)
        return message.tries > 0 and message.held_reason is not None

    await eventually(waits, within=20, every=0.05)


async def test_a_users_gateway_is_not_reached_on_the_operators_ground(
    store: Store, settings: Settings, provider: Provider
) -> None:
    settings = msgspec.structs.replace(settings, webhook_allow_cidrs=())
    user = await store.users.create(email="ada@example.com", password_hash="argon2")
    await store.gateways.make(gateway(provider, user_id=user.id))
    ids = await texts(store, 1, user_id=user.id)
    async with consuming(settings) as consumer:
        await hand_over(store, consumer)
        [held] = await no_longer_processing(store, ids)
    assert (held.status, held.tries, held.held_reason) == (Status.PENDING, 0, HeldReason.ACCOUNT)
    assert not provider.requests
    assert str(provider.url) not in (held.last_error or "")


async def test_a_gateway_of_the_configuration(store: Store, settings: Settings, provider: Provider) -> None:
    text = f"""
    [[gateway]]
    name = "twilio"
    preset = "twilio"
    base_url = "{provider.url}"
    credentials = {{ account_sid = "AC1", auth_token = "right" }}
    from = ["+15005550006"]
    """
    [message_id] = await texts(store)
    async with consuming(msgspec.structs.replace(settings, sms_gateways=text)) as consumer:
        [sent] = await deliver_until(store, consumer, [message_id], Status.SENT)
    assert sent.gateway == "twilio"
    assert sent.created_at > sent.due_at - timedelta(days=1)
