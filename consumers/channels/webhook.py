"""Webhooks: the content POSTed as it is to the recipient's URL, by the Standard Webhooks specification.

The receiver sees the same `webhook-id` in every try of a message, and can drop what it has seen. `tidings-attempt`
counts the tries, and `tidings-possible-duplicate` marks a message that may have come before: its consumer died while
it was on its way, or an earlier try got no answer.
"""

from typing import Final

import msgspec

from consumers.channels.base import Channel, ChannelContext, Rejected, Result, Retry
from consumers.channels.http import judge
from consumers.channels.transport import TransportError
from tidings.headers import HeaderError, check_headers
from tidings.model import Delivery
from tidings.signing import signature, signing_key

OWN_PREFIXES: Final = ("webhook-", "tidings-")

NOT_PASSED_ON: Final = frozenset(
    {
        "host",
        "content-length",
        "accept-encoding",
        "expect",
        # Hop-by-hop: they speak of a connection, and this one is ours (RFC 9110, section 7.6.1).
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of a message that stay behind, in lower case, besides those that begin with one of OWN_PREFIXES."""

_ANY_JSON: Final = msgspec.json.Decoder(msgspec.Raw)


class WebhookChannel(Channel):
    """Any 2xx is a delivery. Signed where `WEBHOOK_SIGNING_SECRET` is set."""

    def __init__(self, context: ChannelContext) -> None:
        super().__init__(context)
        secret = context.settings.webhook_signing_secret
        self._key = signing_key(secret) if secret else None

    def destination(self, delivery: Delivery) -> str:
        return delivery.recipient.partition("://")[2].partition("/")[0]

    async def deliver(self, delivery: Delivery) -> Result:
        body = delivery.content.encode()
        try:
            headers = self._headers(delivery, body)
        except HeaderError as error:
            return Rejected(error=f"headers: {error}")
        try:
            answer = await self.context.transport.post(delivery.recipient, body=body, headers=headers)
        except TransportError as error:
            return Retry(error=str(error), unanswered=error.unanswered)
        return judge(answer, self.context.now)

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        headers = _passed_on(delivery.headers) if delivery.headers else {}
        if "content-type" not in headers:
            headers["content-type"] = _content_type(body)
        message_id = headers["webhook-id"] = str(delivery.id)
        timestamp = headers["webhook-timestamp"] = str(int(self.context.now().timestamp()))
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, message_id=message_id, timestamp=timestamp, body=body)
        headers["tidings-attempt"] = str(delivery.tries + 1)
        if delivery.possible_duplicate:
            headers["tidings-possible-duplicate"] = "true"
        return headers


def _passed_on(headers: dict[str, str]) -> dict[str, str]:
    check_headers(headers)
    lower = {name.lower(): value for name, value in headers.items()}
    kept_back = NOT_PASSED_ON.union(name.strip().lower() for name in lower.get("connection", "").split(","))
    return {name: value for name, value in lower.items() if name not in kept_back and not name.startswith(OWN_PREFIXES)}


def _content_type(body: bytes) -> str:
    try:
        _ANY_JSON.decode(body)
    except msgspec.DecodeError:
        return "text/plain; charset=utf-8"
    return "application/json"
