"""A consumer that sends in the name of users: their secrets sign, and their messages do not go inside."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec
import pytest
from aiohttp import web

from consumers.consumer import Consumer
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.channels.receivers import web_receiver
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until
from tidings.channels.http.resolving import REFUSED
from tidings.domain.account import Sender, SmtpAccount
from tidings.domain.ids import new_id
from tidings.domain.secrets import signing_key
from tidings.domain.states import CancelReason, HeldReason, Status
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.security.signing import signature
from tidings.settings import Settings

KEY = new_key()
FIRST = "whsec_Zmlyc3RmaXJzdGZpcnN0Zmlyc3RmaXJzdA=="
SECOND = "whsec_c2Vjb25kc2Vjb25kc2Vjb25kc2Vjb25kc2Vjb25k"


class WebhookReceiver:
    """Keeps which of the secrets signed each message that came."""

    def __init__(self) -> None:
        self.signed_by: list[set[str]] = []

    async def receive(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), request.headers
        signatures = headers.get("webhook-signature", "").split(" ")
        self.signed_by.append(
            {
                secret
                for secret in (FIRST, SECOND)
                if signature(
                    signing_key(secret),
                    message_id=headers["webhook-id"],
                    timestamp=headers["webhook-timestamp"],
                    body=body,
                )
                in signatures
            }
        )
        return web.Response()


@pytest.fixture
async def receiver() -> WebhookReceiver:
    return WebhookReceiver()


@pytest.fixture
async def url(receiver: WebhookReceiver) -> AsyncIterator[str]:
    async with web_receiver(receiver.receive) as url:
        yield url


@pytest.fixture
def with_keys(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, secret_keys=(KEY,))


async def new_user(store: Store, *secrets: str) -> UUID:
    """A user that had these signing secrets one after the other."""
    user_id = new_id()
    await store.users.create(user_id=user_id, email=f"{user_id}@example.com", password_hash="argon2")
    for secret in secrets:
        sealed = SecretBox([KEY]).seal(secret, Purpose.WEBHOOK_SECRET, user_id)
        await store.users.rotate_webhook_secret(user_id, sealed)
    return user_id


def count_queries(consumer: Consumer) -> list[Sequence[UUID]]:
    """The users of each query from now on."""
    queries: list[Sequence[UUID]] = []
    read = consumer._senders._read

    async def counted(user_ids: Sequence[UUID]) -> dict[UUID, Sender]:
        queries.append(user_ids)
        return await read(user_ids)

    consumer._senders._read = counted
    return queries


async def test_both_secrets_of_a_user_sign(
    store: Store, with_keys: Settings, receiver: WebhookReceiver, url: str
) -> None:
    both, one, none = await new_user(store, FIRST, SECOND), await new_user(store, FIRST), await new_user(store)
    async with consuming(with_keys, Gateway()) as consumer:
        for user_id in (both, one, none, None):
            [message_id] = await keep(store, channel="webhook", recipient=url, user_id=user_id)
            await hand_over(store, consumer)
            await until(store, message_id, Status.SENT)
    assert receiver.signed_by == [{FIRST, SECOND}, {FIRST}, set(), set()]


async def test_users_are_read_once_for_a_batch_and_not_again_soon(
    store: Store, with_keys: Settings, receiver: WebhookReceiver, url: str
) -> None:
    users = [await new_user(store, FIRST) for _ in range(5)]
    async with consuming(with_keys, Gateway()) as consumer:
        queries = count_queries(consumer)
        for _ in range(2):
            ids: list[UUID] = []
            for user_id in users:
                ids += await keep(store, 10, channel="webhook", recipient=url, user_id=user_id)
            await hand_over(store, consumer)
            for message_id in ids:
                await until(store, message_id, Status.SENT)
    assert [sorted(asked) for asked in queries] == [sorted(users)]
    assert receiver.signed_by == [{FIRST}] * 100


async def test_the_gateway_may_be_inside_and_a_users_webhook_may_not(
    store: Store, with_keys: Settings, receiver: WebhookReceiver, url: str
) -> None:
    gateway = Gateway()
    async with consuming(with_keys, gateway, host="0.0.0.0", webhook_allow_cidrs=()) as consumer:
        # The gateway first: its connection, kept open, is none that a webhook could use.
        [sms] = await keep(store, channel="sms", recipient="+4915112345678")
        await hand_over(store, consumer)
        await until(store, sms, Status.SENT)
        webhooks = [
            *await keep(store, channel="webhook", recipient=url),
            *await keep(store, channel="webhook", recipient=consumer.settings.webhook_url),
        ]
        await hand_over(store, consumer)
        for message_id in webhooks:
            message = await until(store, message_id, Status.CANCELLED)
            assert (message.cancel_reason, message.last_error) == (CancelReason.REJECTED, REFUSED)
    assert len(gateway.received) == 1
    assert receiver.signed_by == []


async def test_this_machine_is_open_to_the_operator_and_not_to_accounts(
    store: Store, with_keys: Settings, receiver: WebhookReceiver, url: str
) -> None:
    user_id = await new_user(store, FIRST)
    async with consuming(with_keys, Gateway(), webhook_allow_cidrs=()) as consumer:
        assert consumer.settings.loopback_only
        [own] = await keep(store, channel="webhook", recipient=url)
        [users] = await keep(store, channel="webhook", recipient=url, user_id=user_id)
        await hand_over(store, consumer)
        await until(store, own, Status.SENT)
        message = await until(store, users, Status.CANCELLED)
    assert (message.cancel_reason, message.last_error) == (CancelReason.REJECTED, REFUSED)
    assert receiver.signed_by == [set()]


async def test_mail_waits_for_an_account_and_a_changed_one_is_used_at_once(store: Store, with_keys: Settings) -> None:
    async with consuming(with_keys, Gateway()) as consumer:
        user_id = await new_user(store)
        [message_id] = await keep(store, channel="email", recipient="ada@example.com", user_id=user_id)
        await hand_over(store, consumer)
        message = await until(store, message_id, Status.PENDING)
        assert (message.tries, message.held_reason) == (0, HeldReason.ACCOUNT)
        assert message.last_error is not None
        assert "no SMTP account" in message.last_error

        async def forgotten() -> bool:
            return consumer._senders.known(user_id) is None

        known = consumer._senders.known(user_id)
        assert known is not None
        assert known.smtp is None
        await store.users.set_smtp(user_id, SmtpAccount(host="127.0.0.1", port=1))
        await eventually(forgotten)
        sender = await consumer._senders.get(user_id)
        assert sender is not None
        assert sender.smtp is not None
