"""api/receipts/acknowledgements.py: what receivers say later, signed with the library of Standard Webhooks."""

from base64 import b64encode
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from sql.store import Store
from tests.factories import keep, sent_by
from tests.integration.api.client import Api
from tests.integration.api.receipts.conftest import post
from tidings.domain.ids import new_id
from tidings.domain.states import Receipt
from tidings.security.secretbox import Purpose, SecretBox
from tidings.security.webhook_keys import derived_secret
from tidings.settings import Settings

SECRET = "whsec_" + b64encode(b"a secret of 32 bytes or so, in it").decode()
OTHER = "whsec_" + b64encode(b"another secret of 32 bytes, in it").decode()
PROCESSED = '{"status": "processed"}'
FAILED = '{"status": "failed", "detail": "no such order"}'


@pytest.fixture
async def ada(store: Store, settings: Settings) -> UUID:
    user = await store.users.create(email="ada@example.org", password_hash="-")
    sealed = SecretBox(settings.secret_keys).seal(SECRET, Purpose.WEBHOOK_SECRET, user.id)
    await store.users.rotate_webhook_secret(user.id, sealed)
    return user.id


async def sent(store: Store, user_id: UUID | None, channel: str = "webhook") -> UUID:
    [message_id] = await keep(store, user_id=user_id, channel=channel, recipient="https://example.com/hook")
    await sent_by(store, message_id, None, None)
    return message_id


def headers(message_id: UUID, body: str, secret: str, *, signed_id: str | None = None) -> dict[str, str]:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    signature = Webhook(secret).sign(signed_id or f"ack.{message_id}", moment, body)
    return {"webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signature}


async def acknowledge(
    api: Api, message_id: UUID, body: str, secret: str = SECRET, *, signed_id: str | None = None
) -> int:
    signed = headers(message_id, body, secret, signed_id=signed_id)
    status, _ = await post(api, f"/receipts/webhooks/{message_id}", body.encode(), signed)
    return status


async def receipt_of(store: Store, message_id: UUID) -> tuple[Receipt | None, str | None]:
    message = await store.messages.get(message_id)
    assert message is not None
    return message.receipt, message.receipt_detail


async def test_processed_and_failed(api: Api, store: Store, ada: UUID) -> None:
    message_id = await sent(store, ada)
    for _ in range(2):
        assert await acknowledge(api, message_id, FAILED) == HTTPStatus.NO_CONTENT
        assert await receipt_of(store, message_id) == (Receipt.UNDELIVERED, "no such order")
    assert await acknowledge(api, message_id, PROCESSED) == HTTPStatus.NO_CONTENT
    assert await acknowledge(api, message_id, FAILED) == HTTPStatus.NO_CONTENT
    assert await receipt_of(store, message_id) == (Receipt.DELIVERED, None)


async def test_the_operators_own(api: Api, store: Store, settings: Settings) -> None:
    message_id = await sent(store, None)
    assert await acknowledge(api, message_id, PROCESSED, OTHER) == HTTPStatus.NOT_FOUND
    secret = derived_secret(settings.secret_keys[0], None)
    assert await acknowledge(api, message_id, PROCESSED, secret) == HTTPStatus.NO_CONTENT
    assert await receipt_of(store, message_id) == (Receipt.DELIVERED, None)


async def test_a_replaced_secret_is_good_as_long_as_it_signs(
    api: Api, store: Store, ada: UUID, settings: Settings
) -> None:
    message_id = await sent(store, ada)
    sealed = SecretBox(settings.secret_keys).seal(OTHER, Purpose.WEBHOOK_SECRET, ada)
    await store.users.rotate_webhook_secret(ada, sealed)
    assert await acknowledge(api, message_id, FAILED, SECRET) == HTTPStatus.NO_CONTENT
    assert await acknowledge(api, message_id, PROCESSED, OTHER) == HTTPStatus.NO_CONTENT


async def test_nobody_else_can(api: Api, store: Store, ada: UUID) -> None:
    message_id, mail, others = await sent(store, ada), await sent(store, ada, "email"), await sent(store, new_id())
    for which, secret in ((message_id, OTHER), (mail, SECRET), (others, SECRET), (new_id(), SECRET)):
        assert await acknowledge(api, which, PROCESSED, secret) == HTTPStatus.NOT_FOUND
    assert await acknowledge(api, message_id, PROCESSED, signed_id=f"ack.{others}") == HTTPStatus.NOT_FOUND
    path = f"/receipts/webhooks/{message_id}"
    for given in ({}, {"webhook-timestamp": "1", "webhook-signature": "v1,é"}, {"webhook-signature": "v1,AAAA"}):
        assert (await api.send("POST", path, headers=given, body=b"{}")).status == HTTPStatus.NOT_FOUND
    assert await receipt_of(store, message_id) == (None, None)


async def test_a_webhook_handed_back_is_none(api: Api, store: Store, ada: UUID) -> None:
    """Its content may look like an acknowledgement, and it is signed with the same secret."""
    message_id = await sent(store, ada)
    assert await acknowledge(api, message_id, PROCESSED, signed_id=str(message_id)) == HTTPStatus.NOT_FOUND
    assert await receipt_of(store, message_id) == (None, None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", HTTPStatus.BAD_REQUEST),
        ('{"status": "lost"}', HTTPStatus.UNPROCESSABLE_ENTITY),
        ('{"status": "failed", "why": ""}', HTTPStatus.UNPROCESSABLE_ENTITY),
        (f'{{"status": "failed", "detail": "{"x" * 301}"}}', HTTPStatus.UNPROCESSABLE_ENTITY),
        (" " * 17_000, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    ],
)
async def test_what_is_no_acknowledgement(body: str, status: HTTPStatus, api: Api, store: Store, ada: UUID) -> None:
    message_id = await sent(store, ada)
    assert await acknowledge(api, message_id, body) == status
    assert await receipt_of(store, message_id) == (None, None)


async def test_an_event_is_acknowledged_by_the_endpoint_whose_secret_signs(api: Api, store: Store) -> None:
    made: dict[str, str] = {}
    for secret in (SECRET, OTHER):
        body = {"url": f"https://example.com/{len(made)}", "secret": secret}
        answer = await api.send("POST", "/api/v1/endpoints", body=body)
        assert answer.status == HTTPStatus.CREATED, answer.body
        made[answer.body["id"]] = secret
    event = await api.send("POST", "/api/v1/events", body={"type": "order.paid", "payload": {"order": 1}})
    assert event.status in {HTTPStatus.OK, HTTPStatus.CREATED}, event.body
    async with store.database.pool.acquire() as connection:
        rows = await connection.fetch("SELECT id, endpoint_id, event_id FROM messages")
    of_secret = {made[str(row["endpoint_id"])]: row["id"] for row in rows}
    [event_id] = {row["event_id"] for row in rows}
    assert await acknowledge(api, event_id, PROCESSED, OTHER) == HTTPStatus.NOT_FOUND, "nothing was sent yet"
    for message_id in of_secret.values():
        await sent_by(store, message_id, None, None)
    assert await acknowledge(api, event_id, FAILED, OTHER) == HTTPStatus.NO_CONTENT
    assert await receipt_of(store, of_secret[OTHER]) == (Receipt.UNDELIVERED, "no such order")
    assert await receipt_of(store, of_secret[SECRET]) == (None, None)
