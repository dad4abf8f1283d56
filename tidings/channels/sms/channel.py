"""Text messages, through a gateway that takes `{"to", "content"}` and responds 202 with its own `messageId`."""

from typing import Final

import msgspec

from tidings.channels.base import Accepted, Channel, ChannelContext, Rejected, Result, Retry
from tidings.channels.http.judgement import about, describe, judge
from tidings.channels.http.transport import TransportError
from tidings.channels.sms.recipient import SmsRecipients
from tidings.domain.message import Delivery

ACCEPTED: Final = 202
LONGEST_ID: Final = 255
"""Characters of a `messageId` that is stored; a gateway's ids are 36 long."""


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
            return Retry(error="WEBHOOK_URL is not set: there is no SMS gateway to send to")
        body = self._order.encode(_Order(delivery.recipient, delivery.content))
        try:
            answer = await self.context.operators_transport.post(self._url, body=body, headers=self._headers)
        except TransportError as error:
            return Retry(error=str(error), unanswered=error.unanswered, about=about(error))
        match judge(answer, self.context.now):
            case Accepted() if answer.status == ACCEPTED:
                # The gateway has the message, even if no id can be read: another attempt would reach the phone twice.
                return Accepted(
                    provider_message_id=self._message_id(answer.body), status_code=ACCEPTED, answer=answer.body
                )
            case Accepted(status_code=status):
                # A 200 comes from something else at that address (a parked page, a proxy, a health route), which the
                # operator can correct while attempts remain.
                return Retry(
                    error=f"{describe(answer.status)}: the gateway accepts with 202 only",
                    status_code=status,
                    answer=answer.body,
                )
            case Retry() | Rejected() as result:
                return result

    def _message_id(self, body: bytes) -> str | None:
        try:
            message_id = self._receipt.decode(body).message_id
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        text = "" if message_id is None else str(message_id)
        return text if 0 < len(text) <= LONGEST_ID and text.isprintable() else None
