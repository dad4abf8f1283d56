"""tidings/channels/sms/preset.py"""

import pytest

from tidings.channels.sms.preset import presets, read_preset


def test_those_that_come_with_it() -> None:
    assert set(presets()) == {
        "plain", "twilio", "vonage", "sinch", "messagebird", "infobip", "plivo", "telnyx", "seven", "jasmin",
        "android_sms_gateway",
    }  # fmt: skip


def test_each_says_how_reports_come() -> None:
    for name, preset in presets().items():
        receipt = preset.receipt
        assert receipt is not None, name
        assert all((receipt.id, receipt.status, receipt.delivered, receipt.undelivered)), name
        known = {*preset.credentials, *preset.optional, ""}
        assert receipt.signature.credential in known, name


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[request]\nfields = { to = "{too}" }', r"\{too\} stands for nothing"),
        ('[request]\npath = "/{key}"', r"\{key\} stands for nothing"),
        ('credentials = ["to"]', "'to' is what messages fill in"),
        ('[request]\nauth = { kind = "header", value = "x" }', "needs a name"),
        ('[request]\nbody = "form"\nfields = { to = ["{to}"] }', "has texts alone"),
        ('[success]\nat = ["status"]', "at and equals go together"),
        ("[request]\nbody = 'xml'", "xml"),
        ("unknown = 1", "unknown"),
    ],
)
def test_what_does_not_fit_together(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read_preset(text)
