"""tidings/channels/sms/channel.py"""

import json

import pytest

from tests.unit.channels.doubles import answer, context, delivery
from tidings.channels.base import About, Accepted, Rejected, Result, Retry
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
    assert request.headers == {"Content-Type": "application/json", "x-ins-auth-key": "key"}


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


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_another_success_is_not_the_gateways_word(status: int) -> None:
    result = await deliver(answer(status, RECEIPT))
    assert isinstance(result, Retry)
    assert (result.status_code, result.answer) == (status, RECEIPT)
    assert "202" in result.error


async def test_the_gateway_is_busy() -> None:
    assert await deliver(answer(429, retry_after="7")) == Retry(
        error="HTTP 429 Too Many Requests", delay=7, status_code=429, about=About.PACE
    )


async def test_the_gateway_refuses() -> None:
    assert await deliver(answer(400, b"bad number")) == Rejected(
        error="HTTP 400 Bad Request", status_code=400, answer=b"bad number"
    )


async def test_no_answer() -> None:
    assert await deliver(TransportError("timed out after 15 s")) == Retry(
        error="timed out after 15 s", about=About.HOST
    )
