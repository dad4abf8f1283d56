"""api/receipts/routes.py: reports as the providers send them."""

import asyncio
import hmac
from base64 import b64encode
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import pytest
from aiohttp import web

from api.http.group_commit import GroupCommit
from api.http.resources import GATEWAYS, METRICS, RECEIPTS
from api.receipts import commits, routes
from sql.receipts import Kept, NewReceipt
from sql.store import Store
from tests.factories import keep, sent_by
from tests.integration.api.accounts.people import Person, join
from tests.integration.api.client import Api
from tests.integration.api.receipts.conftest import PUBLIC_URL, TOKEN, MakeGateway, post
from tidings.domain.gateway import Gateway
from tidings.domain.states import Receipt

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AUTH_TOKEN = "12345"


def url(gateway: Gateway, token: str = TOKEN) -> str:
    return f"/receipts/{gateway.id}/{token}"


def twilios(status: str, sid: str = "SM1", **further: str) -> bytes:
    return urlencode({"MessageSid": sid, "MessageStatus": status, "To": "+4915100000000", **further}).encode()


def signature(body: bytes, address: str) -> dict[str, str]:
    text = address + "".join(f"{name}{value}" for name, value in sorted(parse_qsl(body.decode())))
    digest = hmac.digest(AUTH_TOKEN.encode(), text.encode(), "sha1")
    return {**FORM, "X-Twilio-Signature": b64encode(digest).decode()}


async def sent(store: Store, gateway: Gateway, provider_message_id: str = "SM1", **changes: Any) -> UUID:
    [message_id] = await keep(store, channel="sms", user_id=gateway.user_id, **changes)
    await sent_by(store, message_id, gateway.key, provider_message_id)
    return message_id


async def receipt_of(store: Store, message_id: UUID) -> tuple[Receipt | None, str | None]:
    message = await store.messages.get(message_id)
    assert message is not None
    assert message.status == "sent"
    return message.receipt, message.receipt_detail


async def test_a_form_signed_for_the_url_that_the_provider_knows(
    api: Api, store: Store, make_gateway: MakeGateway
) -> None:
    gateway = await make_gateway("twilio", credentials={"account_sid": "AC1", "auth_token": AUTH_TOKEN})
    message_id = await sent(store, gateway)
    delivered = twilios("delivered")
    for headers in (FORM, signature(delivered + b"0", PUBLIC_URL + url(gateway))):
        status, _ = await post(api, url(gateway), delivered, headers)
        assert status == HTTPStatus.FORBIDDEN
    assert await receipt_of(store, message_id) == (None, None)
    failed = twilios("undelivered", ErrorCode="30003")
    assert await post(api, url(gateway), failed, signature(failed, PUBLIC_URL + url(gateway))) == (204, "")
    assert await receipt_of(store, message_id) == (Receipt.UNDELIVERED, "30003 handset unreachable")
    assert await post(api, url(gateway), delivered, signature(delivered, PUBLIC_URL + url(gateway))) == (204, "")
    assert await receipt_of(store, message_id) == (Receipt.DELIVERED, None)
    late = twilios("sent")
    assert await post(api, url(gateway), late, signature(late, PUBLIC_URL + url(gateway))) == (204, "")
    assert await receipt_of(store, message_id) == (Receipt.DELIVERED, None)


async def test_a_list_in_json(api: Api, store: Store, make_gateway: MakeGateway) -> None:
    gateway = await make_gateway("infobip", credentials={"api_key": "key"})
    first, second, third = [await sent(store, gateway, f"M{number}") for number in range(3)]
    body = (
        b'{"results": [{"messageId": "M0", "status": {"groupName": "DELIVERED"}},'
        b'{"messageId": "M1", "status": {"groupName": "UNDELIVERABLE"}, "error": {"name": "EC_ABSENT_SUBSCRIBER"}},'
        b'{"messageId": "M2", "status": {"groupName": "PENDING"}}, {"no": "id"}]}'
    )
    status, _ = await post(api, url(gateway), body)
    assert status == HTTPStatus.OK
    assert await receipt_of(store, first) == (Receipt.DELIVERED, None)
    assert await receipt_of(store, second) == (Receipt.UNDELIVERED, "EC_ABSENT_SUBSCRIBER absent subscriber")
    assert await receipt_of(store, third) == (None, None)


async def test_a_query(api: Api, store: Store, make_gateway: MakeGateway) -> None:
    gateway = await make_gateway("messagebird", credentials={"access_key": "key"})
    message_id = await sent(store, gateway, "e8077d803532c0b5937c639b60216938")
    query = "id=e8077d803532c0b5937c639b60216938&status=delivery_failed&statusErrorCode=27"
    assert (await post(api, f"{url(gateway)}?{query}", method="GET"))[0] == HTTPStatus.OK
    assert await receipt_of(store, message_id) == (Receipt.UNDELIVERED, "27 absent subscriber")


async def test_what_the_provider_expects_as_an_answer(api: Api, store: Store, make_gateway: MakeGateway) -> None:
    gateway = await make_gateway("jasmin", credentials={"username": "u", "password": "p"})
    body = urlencode({"id": "J1", "message_status": "DELIVRD"}).encode()
    assert await post(api, url(gateway), body, FORM) == (200, "ACK/Jasmin")


async def test_the_operators_configured_gateway(app: web.Application, api: Api, store: Store) -> None:
    [gateway] = app[GATEWAYS].directory.all
    message_id = await sent(store, gateway, "P1")
    status, _ = await post(api, url(gateway, f"{TOKEN}c"), b'{"id": "P1", "status": "delivered"}')
    assert status == HTTPStatus.OK
    assert await receipt_of(store, message_id) == (Receipt.DELIVERED, None)


async def test_a_token_is_good_for_its_own_gateway_alone(api: Api, store: Store, make_gateway: MakeGateway) -> None:
    ada, bob = [await join(api, f"{name}@example.org") for name in ("ada", "bob")]
    body = b'{"id": "X1", "status": "delivered"}'
    adas = await make_gateway("plain", user_id=ada.id)
    bobs = await make_gateway("plain", user_id=bob.id, token=f"{TOKEN}2")
    operators = await make_gateway("plain", token=f"{TOKEN}3")
    messages = [await sent(store, each, "X1") for each in (adas, bobs, operators)]
    for gateway, token in ((adas, f"{TOKEN}2"), (adas, TOKEN[:-1]), (adas, "%ff"), (adas, "%C3%A9"), (bobs, TOKEN)):
        assert (await post(api, url(gateway, token), body))[0] == HTTPStatus.NOT_FOUND
    for path in (f"/receipts/{ada.id}/{TOKEN}", f"/receipts/plain/{TOKEN}", f"/receipts/{adas.id}/{TOKEN}/x"):
        assert (await post(api, path, body))[0] in {HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED}
    assert [await receipt_of(store, each) for each in messages] == [(None, None)] * 3
    assert (await post(api, url(adas), body))[0] == HTTPStatus.OK
    assert [(await receipt_of(store, each))[0] for each in messages] == [Receipt.DELIVERED, None, None]


async def test_where_it_comes_from(api: Api, store: Store, make_gateway: MakeGateway) -> None:
    body = b'{"id": "X1", "status": "delivered"}'
    here = await make_gateway("plain", name="here", spec={"receipt": {"addresses": ["127.0.0.0/8", "::1"]}})
    elsewhere = await make_gateway("plain", name="elsewhere", spec={"receipt": {"addresses": ["203.0.113.7"]}})
    assert (await post(api, url(here), body))[0] == HTTPStatus.OK
    assert (await post(api, url(elsewhere), body))[0] == HTTPStatus.FORBIDDEN
    forged = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7"}
    assert (await post(api, url(elsewhere), body, forged))[0] == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", HTTPStatus.BAD_REQUEST),
        (b"\xff", HTTPStatus.BAD_REQUEST),
        (b"[" * 5000, HTTPStatus.BAD_REQUEST),
        (b'{"id": "X1"}', HTTPStatus.BAD_REQUEST),
        (b'{"id": 1.5e400, "status": "delivered"}', HTTPStatus.BAD_REQUEST),
        (b'{"id": "X\\u0000", "status": "delivered"}', HTTPStatus.BAD_REQUEST),
        (b" " * (routes.MAX_REPORT + 1), HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    ],
)
async def test_what_is_no_report(body: bytes, status: HTTPStatus, api: Api, make_gateway: MakeGateway) -> None:
    gateway = await make_gateway("plain")
    assert (await post(api, url(gateway), body))[0] == status


async def test_it_is_answered_once_it_is_stored(
    app: web.Application, api: Api, store: Store, make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await make_gateway("plain")
    message_id = await sent(store, gateway, "X1")
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def record(receipts: Sequence[NewReceipt]) -> Sequence[Kept]:
        asked.set()
        await go_on.wait()
        return await store.receipts.record(receipts)

    app[RECEIPTS]._keep_group = record
    body = b'{"id": "X1", "status": "delivered"}'
    posted = asyncio.create_task(post(api, url(gateway), body))
    await asked.wait()
    assert not posted.done()
    monkeypatch.setattr(commits, "PATIENCE_SECONDS", 0.05)
    status, problem = await post(api, url(gateway), body)
    assert (status, "in time" in problem) == (HTTPStatus.SERVICE_UNAVAILABLE, True)
    assert await receipt_of(store, message_id) == (None, None)
    go_on.set()
    assert (await posted)[0] == HTTPStatus.OK
    assert await receipt_of(store, message_id) == (Receipt.DELIVERED, None)


async def test_over_the_backlog_the_provider_tries_again(
    app: web.Application, api: Api, store: Store, make_gateway: MakeGateway
) -> None:
    small: GroupCommit[NewReceipt, Kept] = app[RECEIPTS]
    small._backlog = 2
    gateway = await make_gateway("infobip", credentials={"api_key": "key"})
    message_id = await sent(store, gateway, "M0")
    results = ",".join(f'{{"messageId": "M{n}", "status": {{"groupName": "DELIVERED"}}}}' for n in range(3))
    status, problem = await post(api, url(gateway), f'{{"results": [{results}]}}'.encode())
    assert (status, "too many receipts" in problem) == (HTTPStatus.SERVICE_UNAVAILABLE, True)
    assert await receipt_of(store, message_id) == (None, None)


async def test_each_is_counted_once(app: web.Application, api: Api, store: Store, make_gateway: MakeGateway) -> None:
    gateway = await make_gateway("plain")
    await sent(store, gateway, "X1")

    def counted() -> dict[str, float]:
        samples = (sample for family in app[METRICS].registry.collect() for sample in family.samples)
        return {s.labels["result"]: s.value for s in samples if s.name == "tidings_receipts_total"}

    for body in (
        b'{"id": "X1", "status": "delivered"}',
        b'{"id": "X1", "status": "delivered"}',
        b'{"id": "X1", "status": "buffered"}',
        b'{"id": "X2", "status": "failed"}',
        b"{}",
    ):
        await post(api, url(gateway), body)
    assert counted() == {"changed": 1, "known": 1, "passing": 1, "early": 1, "unreadable": 1}


async def test_a_message_shows_it_and_a_list_finds_it(api: Api, store: Store, make_gateway: MakeGateway) -> None:
    ada: Person = await join(api, "ada@example.org")
    gateway = await make_gateway("plain", user_id=ada.id)
    first, second, third = [await sent(store, gateway, f"X{number}") for number in range(3)]
    await post(api, url(gateway), b'{"id": "X0", "status": "delivered"}')
    await post(api, url(gateway), b'{"id": "X1", "status": "failed", "code": "7", "detail": "unknown\\u0000 number"}')
    shown = (await ada.get(f"/api/v1/messages/{second}")).body
    assert (shown["status"], shown["receipt"], shown["receipt_detail"]) == ("sent", "undelivered", "7 unknown number")

    async def found(receipt: str) -> list[str]:
        return [each["id"] for each in (await ada.get(f"/api/v1/messages?receipt={receipt}")).body["messages"]]

    assert await found("delivered") == [str(first)]
    assert await found("undelivered") == [str(second)]
    assert await found("none") == [str(third)]
    assert (await ada.get("/api/v1/messages?receipt=lost")).status == HTTPStatus.UNPROCESSABLE_ENTITY
