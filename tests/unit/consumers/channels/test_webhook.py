"""consumers/channels/webhook.py"""

import pytest
from standardwebhooks import Webhook

from consumers.channels.base import Accepted, ChannelContext, Rejected, Retry
from consumers.channels.transport import TransportError
from consumers.channels.webhook import WebhookChannel
from tests.unit.consumers.channels.doubles import MESSAGE_ID, NOW, ScriptedTransport, answer, context, delivery
from tidings.model import Delivery
from tidings.settings import Settings

URL = "https://receiver.example:8443/hook?token=1"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook(
    *, content: str = "{}", headers: dict[str, str] | None = None, tries: int = 0, recoveries: int = 0
) -> Delivery:
    return delivery(
        channel="webhook", recipient=URL, content=content, headers=headers, tries=tries, recoveries=recoveries
    )


async def sent_headers(message: Delivery) -> dict[str, str]:
    channel_context, transport = context(answer(200))
    await WebhookChannel(channel_context).deliver(message)
    return dict(transport.requests[0].headers)


async def test_the_content_goes_out_as_it_is() -> None:
    channel_context, transport = context(answer(204))
    content = '{ "b": 1,\n "a": "Grüße" }'
    assert await WebhookChannel(channel_context).deliver(webhook(content=content)) == Accepted(status_code=204)
    [request] = transport.requests
    assert request.url == URL
    assert request.body == content.encode()
    assert request.headers == {
        "content-type": "application/json",
        "webhook-id": str(MESSAGE_ID),
        "webhook-timestamp": str(int(NOW.timestamp())),
        "tidings-attempt": "1",
    }


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        ('{"a":1}', "application/json"),
        ("[1, 2]", "application/json"),
        ("null", "application/json"),
        ("", "text/plain; charset=utf-8"),
        ("hello", "text/plain; charset=utf-8"),
        ('{"a":1} and more', "text/plain; charset=utf-8"),
    ],
)
async def test_the_content_type_follows_the_content(content: str, content_type: str) -> None:
    assert (await sent_headers(webhook(content=content)))["content-type"] == content_type


async def test_the_content_type_of_the_message_wins() -> None:
    headers = await sent_headers(webhook(headers={"Content-Type": "application/cloudevents+json"}))
    assert headers["content-type"] == "application/cloudevents+json"


async def test_headers_of_the_message_are_passed_on_but_not_those_of_the_connection() -> None:
    headers = await sent_headers(
        webhook(
            headers={
                "X-Tenant": "7",
                "Authorization": "Bearer x",
                "Host": "evil.example",
                "Content-Length": "5",
                "Transfer-Encoding": "chunked",
                "Connection": "close, X-Private",
                "X-Private": "1",
                "Expect": "100-continue",
                "Webhook-Id": "mine",
                "webhook-signature": "v1,forged",
                "Tidings-Attempt": "9",
            }
        )
    )
    assert headers.pop("webhook-id") == str(MESSAGE_ID)
    assert headers.pop("tidings-attempt") == "1"
    assert headers.keys() - {"content-type", "webhook-timestamp"} == {"x-tenant", "authorization"}


async def test_a_header_that_http_cannot_carry_is_final() -> None:
    channel_context, transport = context(answer(200))
    result = await WebhookChannel(channel_context).deliver(webhook(headers={"x": "a\r\nHost: evil.example"}))
    assert isinstance(result, Rejected)
    assert not transport.requests


async def test_tries_and_possible_duplicates_are_told() -> None:
    first = await sent_headers(webhook())
    again = await sent_headers(webhook(tries=2, recoveries=1))
    assert (first["tidings-attempt"], again["tidings-attempt"]) == ("1", "3")
    assert "tidings-possible-duplicate" not in first
    assert again["tidings-possible-duplicate"] == "true"


async def test_the_reference_library_verifies_the_signature() -> None:
    transport = ScriptedTransport(answer(200))
    channel = WebhookChannel(ChannelContext(settings=Settings(webhook_signing_secret=SECRET), transport=transport))
    await channel.deliver(webhook(content='{"text":"Grüße"}'))
    [request] = transport.requests
    assert Webhook(SECRET).verify(request.body, dict(request.headers)) == {"text": "Grüße"}


async def test_a_destination_is_a_host_and_port() -> None:
    channel_context, _ = context(answer(200))
    assert WebhookChannel(channel_context).destination(webhook()) == "receiver.example:8443"


async def test_trouble_is_told() -> None:
    channel_context, transport = context(answer(503, b"busy", retry_after="30"))
    channel = WebhookChannel(channel_context)
    assert await channel.deliver(webhook()) == Retry(
        error="HTTP 503 Service Unavailable", delay=30, status_code=503, answer=b"busy"
    )
    transport.result = TransportError("no connection: Connection refused")
    assert await channel.deliver(webhook()) == Retry(error="no connection: Connection refused")
