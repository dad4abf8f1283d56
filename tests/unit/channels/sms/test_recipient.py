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


@pytest.mark.parametrize(
    ("region", "recipient", "normal"),
    [
        ("DE", "0171 2345678", "+491712345678"),
        ("DE", "0049 171 2345678", "+491712345678"),
        ("DE", "+43 664 1234567", "+436641234567"),
        ("US", "(415) 555-2671", "+14155552671"),
        ("US", "011 49 171 2345678", "+491712345678"),
        ("DE", "\u202a+49 171 2345678\u202c", "+491712345678"),
        ("", "\u202a+49\u00a0171\u00a02345678\u202c", "+491712345678"),
        ("", "\u200e+49\u2011171\u20112345678", "+491712345678"),
        ("", "\uff0b\uff14\uff19 171 2345678", "+491712345678"),
        ("", "+\u0664\u0669 171 2345678", "+491712345678"),
        ("", "tel:+49-171-2345678", "+491712345678"),
        ("", "TEL:+49-171-2345678;ext=7", "+491712345678"),
        ("DE", "tel:0171-2345678;phone-context=+49", "+491712345678"),
    ],
)
def test_numbers_as_people_have_them(region: str, recipient: str, normal: str) -> None:
    assert SmsRecipients(region).check(recipient) == normal


@pytest.mark.parametrize(
    ("region", "recipient"),
    [("", "0171 2345678"), ("", "0049 171 2345678"), ("DE", "somebody"), ("DE", "112"), ("", "tel:")],
)
def test_what_is_no_number_anywhere(region: str, recipient: str) -> None:
    with pytest.raises(RecipientError):
        SmsRecipients(region).check(recipient)
