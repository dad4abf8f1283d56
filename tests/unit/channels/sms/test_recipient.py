"""tidings/channels/sms/recipient.py"""

import pytest

from tests.unit.channels.doubles import delivery
from tidings.channels.recipient import RecipientError
from tidings.channels.sms.recipient import SmsRecipients

RULES = SmsRecipients()


@pytest.mark.parametrize(
    ("recipient", "normal"),
    [
        ("+905551111111", "+905551111111"),
        (" +90 (555) 111-11 11 ", "+905551111111"),
        ("+44 020 7946 0958", "+442079460958"),
        ("+15551234567", "+15551234567"),  # possible, though its area is not assigned
    ],
)
def test_phone_numbers_become_e164(recipient: str, normal: str) -> None:
    assert RULES.check(recipient) == normal


@pytest.mark.parametrize(
    "recipient",
    [
        "905551111111",
        "05551111111",
        "+12345",
        "+1 2530000",
        "+999123456789",
        "+1" + "2" * 30,
        "+1 800 FLOWERS",
        "+15551234567 ext 5",
        "tel:+905551111111",
        "+",
        "somebody",
        "",
    ],
)
def test_what_is_no_phone_number_is_refused(recipient: str) -> None:
    with pytest.raises(RecipientError) as raised:
        RULES.check(recipient)
    assert "\n" not in str(raised.value)


def test_all_messages_share_one_destination() -> None:
    assert RULES.destination(delivery(), None) == RULES.destination(delivery(recipient="+442079460958"), None) == "sms"
