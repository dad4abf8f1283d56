"""Phone numbers, in E.164."""

import re
from typing import Final
from uuid import UUID

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from tidings.channels.recipient import ContentError, EndpointKey, RecipientError, Recipients
from tidings.channels.sms.parts import parts
from tidings.domain.account import Sender
from tidings.domain.gateway import OWN, Gateway
from tidings.domain.message import Delivery, Message
from tidings.domain.retry import SMS_DELAYS
from tidings.settings import Settings

_PHONE = re.compile(r"\+[0-9 ().\-/]+")


DEFAULT_GATEWAY: Final = "sms"
"""What breakers and holds call the gateway of `WEBHOOK_URL`."""


class SmsRecipients(Recipients):
    """All messages go to the one gateway, where no other is there."""

    only_destination = DEFAULT_GATEWAY
    retry_delays = SMS_DELAYS
    max_content_bytes = 64 * 1024

    def check_content(self, channel: str, content: str, html: str, settings: Settings) -> None:
        """Of so many parts (`MAX_SMS_PARTS`) at the most."""
        super().check_content(channel, content, html, settings)
        count = parts(content)
        if count > settings.max_sms_parts:
            raise ContentError(f"has {count} parts; a text message may have {settings.max_sms_parts} (MAX_SMS_PARTS)")

    def normalise(self, recipient: str) -> str:
        if not _PHONE.fullmatch(recipient):
            raise RecipientError("must be a phone number with '+' and the country code, such as +905551111111")
        try:
            number = phonenumbers.parse(recipient)
        except NumberParseException as error:
            raise RecipientError(
                f"is not a phone number: {str(error).removeprefix(f'({error.error_type}) ')}"
            ) from None
        # Possible, not valid: the lists of assigned ranges age, and a number that the gateway would reach must not be
        # refused for them.
        if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
            raise RecipientError("is not a phone number: its length does not fit its country")
        return phonenumbers.format_number(number, PhoneNumberFormat.E164)

    def destination(self, message: Message | Delivery, sender: Sender | None) -> str:
        return destination_of(message)

    def endpoint(self, message: Message | Delivery, sender: Sender | None) -> EndpointKey:
        key = message.gateway or DEFAULT_GATEWAY
        return EndpointKey(key, message.user_id if key.startswith(OWN) else None)


def destination_of(message: Message | Delivery) -> str:
    """The gateway that a message goes to, or had it last: those of two users are never the same."""
    return _destination(message.gateway or DEFAULT_GATEWAY, message.user_id)


def place_of(gateway: Gateway) -> tuple[str, EndpointKey]:
    """Its destination and its endpoint, as breakers and holds know them."""
    return _destination(gateway.key, gateway.user_id), EndpointKey(gateway.key, gateway.user_id)


def _destination(key: str, user_id: UUID | None) -> str:
    return f"{key} {user_id}" if key.startswith(OWN) else key
