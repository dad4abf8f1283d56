"""Text messages, through a gateway that takes `{"to", "content"}` and responds 202 with its own `messageId`.

Another 2xx is a yes too: most gateways say 200 or 201. What was accepted is never sent again.
"""

import re
from typing import Final

import msgspec

from tidings.channels.base import About, Accepted, Channel, ChannelContext, Rejected, Result, Retry
from tidings.channels.http.judgement import about, describe, is_refusal, judge
from tidings.channels.http.transport import Answer, TransportError
from tidings.channels.sms.recipient import SmsRecipients
from tidings.domain.message import Delivery

OF_THE_GATEWAY: Final = frozenset({401, 402, 403, 404, 405, 406, 407, 410, 415, 421, 426})
"""Statuses of an address, a key or an account that is wrong, besides 3xx. The operator must correct it; no message is
to blame."""
LONGEST_ID: Final = 255
"""Characters of a `messageId` that is stored; a gateway's ids are 36 long."""


_PAGE: Final = "an HTML page, so there may be no SMS gateway at WEBHOOK_URL; whether it was delivered is unknown"
_GATEWAY: Final = "this speaks of the SMS gateway, not of the message; see WEBHOOK_URL and WEBHOOK_AUTH_KEY"
_BEFORE_MARKUP: Final = rb"(?:\xef\xbb\xbf)?(?:\s|<!--.*?-->|<\?xml.*?\?>)*+"
_HTML: Final = re.compile(_BEFORE_MARKUP + rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_PIECE: Final = re.compile(
    _BEFORE_MARKUP
    + rb"<(?:head|title|meta|link|style|script|body|div|p|br|h[1-6]|form|table|center|iframe|img|a|b|span)\b",
    re.IGNORECASE | re.DOTALL,
)
"""How a page may begin that leaves out what it need not say."""
_PAGE_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})


class _Order(msgspec.Struct):
    to: str
    content: str


class _Receipt(msgspec.Struct):
    message_id: str | int | None = msgspec.field(name="messageId", default=None)


class SmsChannel(Channel):
    """POSTs to `WEBHOOK_URL`, with `WEBHOOK_AUTH_KEY` as `x-ins-auth-key`."""

    recipients = SmsRecipients()

    def __init__(self, context: ChannelContext) -> None:
        super().__init__(context)
        self._url = context.settings.webhook_url
        self._headers = {"Content-Type": "application/json"}
        if context.settings.webhook_auth_key:
            self._headers["x-ins-auth-key"] = context.settings.webhook_auth_key
        self._order = msgspec.json.Encoder()
        self._receipt = msgspec.json.Decoder(_Receipt)

    async def deliver(self, delivery: Delivery) -> Result:
        if not self._url:
            return Retry(error="WEBHOOK_URL is not set: there is no SMS gateway to send to", about=About.ACCOUNT)
        headers = {**self._headers, "Idempotency-Key": str(delivery.id)}
        body = self._order.encode(_Order(delivery.recipient, delivery.content))
        try:
            answer = await self.context.operators_transport.post(self._url, body=body, headers=headers)
        except TransportError as error:
            return Retry(error=str(error), unanswered=error.unanswered, about=about(error))
        message_id = self._message_id(answer.body)
        match judge(answer, self.context.now, rejects=_speaks_of_the_message):
            case Accepted(status_code=status) if message_id is None and _is_page(answer):
                # Not tried again: it may be a gateway all the same, and the phone would ring twice. Nothing else goes
                # there until somebody has seen to it.
                return Rejected(
                    error=f"{describe(answer.status)}: {_PAGE}",
                    status_code=status,
                    answer=answer.body,
                    about=About.ACCOUNT,
                    holds=True,
                )
            case Accepted(status_code=status):
                # The gateway has the message, even if no id can be read, and whichever 2xx it says so with.
                return Accepted(provider_message_id=message_id, status_code=status, answer=answer.body)
            case Retry() as result if _speaks_of_the_gateway(answer.status):
                return msgspec.structs.replace(result, error=f"{result.error}: {_GATEWAY}", about=About.ACCOUNT)
            case result:
                return result

    def _message_id(self, body: bytes) -> str | None:
        try:
            message_id = self._receipt.decode(body).message_id
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        text = "" if message_id is None else str(message_id)
        return text if 0 < len(text) <= LONGEST_ID and text.isprintable() else None


def _speaks_of_the_gateway(status: int) -> bool:
    return status // 100 == 3 or status in OF_THE_GATEWAY  # noqa: PLR2004


def _speaks_of_the_message(status: int) -> bool:
    return is_refusal(status) and not _speaks_of_the_gateway(status)


def _is_page(answer: Answer) -> bool:
    """Whether it is a web page: of a parked domain, a login, a proxy.

    Its type alone does not say so: `text/html` is what PHP sends where a gateway says nothing else.
    """
    if _HTML.match(answer.body) is not None:
        return True
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind in _PAGE_TYPES and _PIECE.match(answer.body) is not None
