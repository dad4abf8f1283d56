"""Phone numbers, in E.164."""

import re
import unicodedata
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

_PHONE: Final = re.compile(r"\+[0-9 ().\-/]+")
_LOCAL: Final = re.compile(r"\+?[0-9 ().\-/]+")
SHORT_CODE: Final = re.compile(r"[1-9][0-9]{2,5}")
_TEL: Final = re.compile(r"tel:([^;?]*).*", re.IGNORECASE | re.DOTALL)
_DASHES: Final = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")


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

    def __init__(self, region: str = "") -> None:
        self._region = region or None

    def normalise(self, recipient: str) -> str:
        text = plain_number(recipient)
        if self._region is None and not _PHONE.fullmatch(text):
            raise RecipientError("must be a phone number with '+' and the country code, such as +905551111111")
        if not _LOCAL.fullmatch(text):
            raise RecipientError("must be a phone number, such as +905551111111")
        try:
            number = phonenumbers.parse(text, self._region)
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


def plain_number(text: str) -> str:
    """A number as somebody would type it: without what an address book adds, such as marks that nobody sees.

    Digits of any alphabet become ASCII's, all spaces one kind, `tel:` and its parameters go (RFC 3966).
    """
    if text.isascii() and text[:4].lower() != "tel:":
        return text
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    text = "".join(
        str(unicodedata.decimal(letter)) if letter.isdecimal() else " " if letter.isspace() else letter
        for letter in text
        if unicodedata.category(letter) != "Cf"
    ).strip()
    found = _TEL.fullmatch(text)
    return found[1].strip() if found else text
