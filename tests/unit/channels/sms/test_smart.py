"""Smart encoding in tidings/channels/sms/parts.py"""

import pytest

from tidings.channels.sms.parts import parts, smart


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u201cHello\u201d \u2013 it\u2019s\u00a0me\u2026", '"Hello" - it\'s me...'),
        ("a\u200bb\u00adc", "abc"),
        ("plain", "plain"),
        # Nothing is gained where something else keeps it from GSM's alphabet.
        ("\u201cשלום\u201d", "\u201cשלום\u201d"),
        ("\u201c🙂\u201d", "\u201c🙂\u201d"),
    ],
)
def test_typography_goes_where_that_makes_it_gsm(text: str, expected: str) -> None:
    assert smart(text) == expected


def test_parts_are_saved() -> None:
    text = "It\u2019s " + "x" * 150
    assert (parts(text), parts(smart(text))) == (3, 1)
