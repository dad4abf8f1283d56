"""Text messages, through the gateway that is chosen for each; by default the one of `WEBHOOK_URL`.

That takes `{"to", "content"}` and responds 202 with its own `messageId`. Another 2xx is a yes too: most gateways say
200 or 201. What was accepted is never sent again.
"""

from typing import Final
from uuid import UUID

import msgspec

from tidings.channels.base import About, CanGo, Channel, ChannelContext, Result, Retry
from tidings.channels.http.transport import Transport
from tidings.channels.sms.configured import preset_of
from tidings.channels.sms.gateway_client import GatewayClient
from tidings.channels.sms.preset import DEFAULT, presets
from tidings.channels.sms.recipient import SmsRecipients, destination_of, place_of
from tidings.domain.errors import UnsealError
from tidings.domain.gateway import CALLBACK_TOKEN, Gateway
from tidings.domain.message import Delivery
from tidings.security.secretbox import Purpose, SecretBox

CLIENTS_KEPT: Final = 1000
"""Gateways that are made ready; beyond that, those are made again that were made first."""


class SmsChannel(Channel):
    """POSTs to the gateway; what goes to `WEBHOOK_URL` has `WEBHOOK_AUTH_KEY` as `x-ins-auth-key`."""

    recipients = SmsRecipients()

    def __init__(self, context: ChannelContext) -> None:
        super().__init__(context)
        settings = context.settings
        self._box = SecretBox(settings.secret_keys)
        self._clients: dict[UUID, GatewayClient] = {}
        self._default: GatewayClient | None = None
        if settings.webhook_url:
            gateway = Gateway(id=UUID(int=0), name=self.recipients.only_destination, base_url=settings.webhook_url)
            credentials = {"auth_key": settings.webhook_auth_key}
            where = "WEBHOOK_URL and WEBHOOK_AUTH_KEY"
            self._default = GatewayClient(gateway, presets()[DEFAULT], credentials, where=where)

    def route(self, delivery: Delivery, can_go: CanGo) -> Delivery:
        gateway = self.context.gateways.choose(delivery, lambda gateway: can_go(*place_of(gateway)))
        key = None if gateway is None else gateway.key
        return delivery if delivery.gateway == key else msgspec.structs.replace(delivery, gateway=key)

    def destination(self, delivery: Delivery) -> str:
        return destination_of(delivery)

    def concurrency(self, delivery: Delivery) -> int | None:
        gateway = self._gateway(delivery)
        return None if gateway is None else gateway.concurrency

    def per_second(self, delivery: Delivery) -> int | None:
        gateway = self._gateway(delivery)
        return None if gateway is None else gateway.per_second

    async def deliver(self, delivery: Delivery) -> Result:
        gateway = self._gateway(delivery)
        if gateway is None:
            return await self._deliver_by_default(delivery)
        try:
            client = self._client(gateway)
        except UnsealError as error:
            return Retry(error=str(error), about=About.OURSELVES)
        except ValueError as error:
            return Retry(error=f"gateway {gateway.name!r} is not as it must be: {error}", about=About.ACCOUNT)
        return await client.send(delivery, self._transport(gateway), self.context.now)

    async def _deliver_by_default(self, delivery: Delivery) -> Result:
        if delivery.gateway is not None:
            return Retry(error=f"there is no gateway {delivery.gateway!r} any more", about=About.ACCOUNT)
        if delivery.account is not None:
            return Retry(error=f"no gateway {delivery.account!r} takes this message", about=About.ACCOUNT)
        if self._default is None:
            return Retry(error="WEBHOOK_URL is not set: there is no SMS gateway to send to", about=About.ACCOUNT)
        return await self._default.send(delivery, self.context.operators_transport, self.context.now)

    def _gateway(self, delivery: Delivery) -> Gateway | None:
        if delivery.gateway is None:
            return None
        return self.context.gateways.find(delivery.user_id, delivery.gateway)

    def _client(self, gateway: Gateway) -> GatewayClient:
        """Made ready once. Raises UnsealError, ValueError."""
        client = self._clients.get(gateway.id)
        if client is not None and client.gateway == gateway:
            return client
        self._clients.pop(gateway.id, None)
        if len(self._clients) >= CLIENTS_KEPT:
            del self._clients[next(iter(self._clients))]
        credentials = dict(gateway.clear or {})
        if gateway.credentials is not None:
            text = self._box.unseal(gateway.credentials, Purpose.GATEWAY, gateway.id)
            credentials |= msgspec.json.decode(text, type=dict[str, str])
        token = credentials.pop(CALLBACK_TOKEN, "")
        public = self.context.settings.public_url.rstrip("/")
        client = self._clients[gateway.id] = GatewayClient(
            gateway,
            preset_of(gateway.preset, gateway.spec),
            credentials,
            where=f"gateway {gateway.name!r}",
            callback=f"{public}/receipts/{gateway.id}/{token}" if public and token else "",
        )
        return client

    def _transport(self, gateway: Gateway) -> Transport:
        """The operator's own for addresses that the operator has set; never for one that a user has."""
        if gateway.user_id is None:
            return self.context.operators_transport
        if gateway.base_url.lower().startswith("http:"):
            return self.context.plain_transport or self.context.transport
        return self.context.transport
