"""tidings/channels/sms/channel.py"""

import json

import pytest

from tests.unit.channels.doubles import MESSAGE_ID, answer, context, delivery
from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.http.judgement import describe
from tidings.channels.http.transport import Answer, TransportError
from tidings.channels.sms.channel import SmsChannel

GATEWAY = "https://gateway.example/send"
RECEIPT = b'{"message":"Accepted","messageId":"67f2f8a8-ea58-4ed0-a6f9-ff217df4d849"}'


async def deliver(result: Answer | TransportError) -> Result:
    channel_context, _ = context(result, webhook_url=GATEWAY)
    return await SmsChannel(channel_context).deliver(delivery())


async def test_the_request_is_the_gateways() -> None:
    channel_context, transport = context(answer(202, RECEIPT), webhook_url=GATEWAY, webhook_auth_key="key")
    channel = SmsChannel(channel_context)
    result = await channel.deliver(delivery(content="Grüße", headers={"x-ins-auth-key": "another"}))
    assert result == Accepted(
        provider_message_id="67f2f8a8-ea58-4ed0-a6f9-ff217df4d849", status_code=202, answer=RECEIPT
    )
    [request] = transport.requests
    assert request.url == GATEWAY
    assert json.loads(request.body) == {"to": "+905551111111", "content": "Grüße"}
    assert request.headers == {
        "Content-Type": "application/json",
        "x-ins-auth-key": "key",
        "Idempotency-Key": str(MESSAGE_ID),
    }


async def test_no_key_no_header() -> None:
    channel_context, transport = context(answer(202, RECEIPT), webhook_url=GATEWAY)
    await SmsChannel(channel_context).deliver(delivery())
    assert "x-ins-auth-key" not in transport.requests[0].headers


async def test_without_a_gateway_messages_wait() -> None:
    channel_context, transport = context(answer(202, RECEIPT))
    result = await SmsChannel(channel_context).deliver(delivery())
    assert isinstance(result, Retry)
    assert "WEBHOOK_URL" in result.error
    assert not transport.requests


async def test_all_messages_share_one_destination() -> None:
    channel_context, _ = context(answer(202), webhook_url=GATEWAY)
    channel = SmsChannel(channel_context)
    assert channel.destination(delivery()) == channel.destination(delivery(recipient="+442079460958"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"[]",
        b'"id"',
        b"\xff\xfe",
        b'{"message":"Accepted"}',
        b'{"messageId":null}',
        b'{"messageId":""}',
        b'{"messageId":["1"]}',
        b'{"messageId":"a\\u0000b"}',
        b'{"messageId":"\\ud800"}',
        b'{"messageId":"' + b"x" * 300 + b'"}',
        RECEIPT[:-10],
    ],
)
async def test_a_202_is_final_even_without_a_readable_id(body: bytes) -> None:
    assert await deliver(answer(202, body)) == Accepted(status_code=202, answer=body)


async def test_an_id_may_be_a_number() -> None:
    result = await deliver(answer(202, b'{"messageId":17}'))
    assert isinstance(result, Accepted)
    assert result.provider_message_id == "17"


@pytest.mark.parametrize("status", [200, 201, 203, 204, 206, 299])
@pytest.mark.parametrize(("body", "message_id"), [(RECEIPT, "67f2f8a8-ea58-4ed0-a6f9-ff217df4d849"), (b"OK", None)])
async def test_another_success_is_a_yes_too(status: int, body: bytes, message_id: str | None) -> None:
    assert await deliver(answer(status, body)) == Accepted(
        provider_message_id=message_id, status_code=status, answer=body
    )


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<h1>Log in</h1>"),
        ("Text/HTML; charset=utf-8", b"<!-- x -->\n<title>This domain is for sale"),
        ("", b"<!-- x --><html>"),
        ("application/xhtml+xml", b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC 'x'><html xmlns='y'/>"),
        ("application/json", b"<!DOCTYPE html><p>for sale"),
        ("text/plain", b" \r\n<html lang=en>"),
        ("", b"\xef\xbb\xbf<HTML>"),
    ],
)
async def test_a_web_page_is_no_gateway_and_nothing_is_sent_there_twice(status: int, kind: str, body: bytes) -> None:
    result = await deliver(answer(status, body, content_type=kind))
    assert isinstance(result, Rejected)
    assert (result.status_code, result.answer) == (status, body)
    assert "HTML page" in result.error
    assert "unknown" in result.error


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", RECEIPT),
        ("text/html", b""),
        ("text/html", b"OK: 12345"),
        ("text/html", b'{"status":"ok","id":"77"}'),
        ("text/html", b"<?xml version='1.0'?><response/>"),
        ("text/xml", b"<?xml version='1.0'?><ok/>"),
        ("", b" " * 65_536 + b"x"),
    ],
)
async def test_what_only_looks_a_little_like_a_page_is_a_yes(kind: str, body: bytes) -> None:
    assert isinstance(await deliver(answer(200, body, content_type=kind)), Accepted)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 407, 410])
async def test_what_speaks_of_the_gateway_costs_no_message_its_life(status: int) -> None:
    result = await deliver(answer(status, b"no", location="https://elsewhere.example/"))
    assert isinstance(result, Retry)
    assert (result.status_code, result.answer, result.unanswered) == (status, b"no", False)
    assert result.error.startswith(describe(status))
    assert "SMS gateway" in result.error


async def test_the_gateway_is_busy() -> None:
    assert await deliver(answer(429, retry_after="7")) == Retry(
        error="HTTP 429 Too Many Requests", delay=7, status_code=429, about=About.PACE
    )


async def test_the_gateway_refuses() -> None:
    assert await deliver(answer(400, b"bad number")) == Rejected(
        error="HTTP 400 Bad Request", status_code=400, answer=b"bad number"
    )


async def test_no_answer() -> None:
    assert await deliver(TransportError("no connection: timed out after 5 s")) == Retry(
        error="no connection: timed out after 5 s", about=About.HOST
    )
    assert await deliver(TransportError("timed out after 15 s", unanswered=True)) == Retry(
        error="timed out after 15 s", unanswered=True, about=About.ENDPOINT
    )


async def test_without_a_gateway_messages_wait_and_use_up_no_attempt() -> None:
    channel_context, transport = context(answer(202), webhook_url="")
    result = await SmsChannel(channel_context).deliver(delivery())
    assert isinstance(result, Retry)
    assert result.about is About.ACCOUNT
    assert transport.requests == []
