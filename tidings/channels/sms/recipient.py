"""Phone numbers, in E.164."""

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from tidings.channels.recipient import ContentError, RecipientError, Recipients
from tidings.channels.sms.parts import parts
from tidings.domain.retry import SMS_DELAYS
from tidings.settings import Settings

_PHONE = re.compile(r"\+[0-9 ().\-/]+")


class SmsRecipients(Recipients):
    """All messages go to the one gateway."""

    only_destination = "sms"
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
