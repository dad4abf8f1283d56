"""tidings/channels/webhook/channel.py, against a receiver that verifies what it gets"""

from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from tests.integration.channels.receivers import web_receiver
from tests.unit.channels.doubles import MESSAGE_ID, delivery
from tidings.channels.base import Accepted, ChannelContext
from tidings.channels.http.transport import Transport
from tidings.channels.webhook.channel import WebhookChannel
from tidings.channels.webhook.recipient import WebhookRecipients
from tidings.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def test_the_receiver_verifies_the_signature(transport: Transport) -> None:
    received: list[tuple[Any, dict[str, str]]] = []

    async def receive(request: web.Request) -> web.Response:
        headers = dict(request.headers)
        received.append((Webhook(SECRET).verify(await request.read(), headers), headers))
        return web.Response(status=204)

    settings = Settings(webhook_signing_secret=SECRET)
    channel = WebhookChannel(ChannelContext(settings=settings, transport=transport, operators_transport=transport))
    async with web_receiver(receive) as url:
        message = delivery(
            channel="webhook", recipient=url, content='{"text": "Grüße"}', headers={"X-Tenant": "7"}, tries=1
        )
        result = await channel.deliver(message)
    assert result == Accepted(status_code=204)
    [(content, headers)] = received
    assert content == {"text": "Grüße"}
    assert headers["webhook-id"] == str(MESSAGE_ID)
    assert (headers["tidings-attempt"], headers["x-tenant"]) == ("2", "7")


@pytest.mark.parametrize(
    "tail", ["/?sp=%2Ftrig&arr[]=1", "/a[b]|c/../%7e?sig=%2f%7E+&x={y|z}^`'&bare=100%", "/hook?https://example.com/?a"]
)
async def test_a_url_goes_out_letter_for_letter(transport: Transport, tail: str) -> None:
    targets: list[str] = []

    async def receive(request: web.Request) -> web.Response:
        targets.append(request.raw_path)
        return web.Response(status=204)

    channel = WebhookChannel(
        ChannelContext(settings=Settings(webhook_unsigned=True), transport=transport, operators_transport=transport)
    )
    async with web_receiver(receive) as url:
        recipient = WebhookRecipients().check(f"{url.removesuffix('/hook')}{tail}")
        assert await channel.deliver(delivery(channel="webhook", recipient=recipient)) == Accepted(status_code=204)
    assert targets == [tail]
