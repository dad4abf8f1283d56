"""tidings/channels/sms/channel.py, against a gateway over real HTTP"""

from typing import Any

from aiohttp import web

from tests.integration.channels.receivers import web_receiver
from tests.unit.channels.doubles import delivery
from tidings.channels.base import About, Accepted, ChannelContext, Result, Retry
from tidings.channels.http.transport import Transport
from tidings.channels.sms.channel import SmsChannel
from tidings.settings import Settings


class Gateway:
    """Takes each order whose key is right, and gives it a number."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        if request.headers.get("x-ins-auth-key") != "key":
            return web.json_response({"message": "Unauthorized"}, status=503, headers={"Retry-After": "9"})
        self.orders.append(await request.json())
        return web.json_response({"message": "Accepted", "messageId": f"sms-{len(self.orders)}"}, status=202)


async def deliver(transport: Transport, url: str, key: str) -> Result:
    settings = Settings(webhook_url=url, webhook_auth_key=key)
    context = ChannelContext(settings=settings, transport=transport, operators_transport=transport)
    return await SmsChannel(context).deliver(delivery(content="Grüße"))


async def test_a_message_reaches_the_gateway(transport: Transport) -> None:
    gateway = Gateway()
    async with web_receiver(gateway.take) as url:
        result = await deliver(transport, url, "key")
    assert isinstance(result, Accepted)
    assert result.provider_message_id == "sms-1"
    assert gateway.orders == [{"to": "+905551111111", "content": "Grüße"}]


async def test_a_gateway_that_asks_for_patience(transport: Transport) -> None:
    async with web_receiver(Gateway().take) as url:
        result = await deliver(transport, url, "wrong")
    assert isinstance(result, Retry)
    assert (result.status_code, result.delay) == (503, 9)


async def test_a_gateway_that_is_away(transport: Transport) -> None:
    async with web_receiver(Gateway().take) as url:
        pass
    result = await deliver(transport, url, "key")
    assert result == Retry(error="no connection: Connection refused", about=About.HOST)
