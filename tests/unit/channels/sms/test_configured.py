"""tidings/channels/sms/configured.py"""

from pathlib import Path

import pytest

from tidings.channels.sms.configured import configured_gateways
from tidings.domain.errors import SettingsError

TWILIO = """
[[gateway]]
name = "twilio"
preset = "twilio"
from = ["+15005550006"]
credentials = { account_sid = "AC0", auth_token = "env:TOKEN" }
"""


def test_nothing_is_none() -> None:
    assert configured_gateways("") == []


def test_credentials_come_from_the_environment(tmp_path: Path) -> None:
    [gateway] = configured_gateways(TWILIO, {"TOKEN": "swordfish"})
    assert (gateway.key, gateway.user_id) == ("twilio", None)
    assert gateway.clear == {"account_sid": "AC0", "auth_token": "swordfish"}
    file = tmp_path / "gateways.toml"
    file.write_text(TWILIO)
    # The same each time, so that a restart changes nothing.
    assert configured_gateways(str(file), {"TOKEN": "swordfish"}) == [gateway]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (TWILIO, "twilio: the variable TOKEN is not set"),
        ("/nowhere.toml", "No such file"),
        ("[[gateway]]\nname = 'Own'", "name"),
        ("[[gateway]]\nname = 'sms'", "no gateway may be called so"),
        ("[[gateway]]\nname = 'own'\npreset = 'none'", "'none' is no preset"),
        ("[[gateway]]\nname = 'own'\npreset = 'vonage'", "vonage|api_key is missing"),
        ("[[gateway]]\nname = 'own'\npreset = 'plain'", "base_url is missing"),
        ("[[gateway]]\nname = 'own'\npreset = 'plain'\nbase_url = 'example.com'", "base_url must be"),
        ("[[gateway]]\nname = 'own'\nsecret = 1", "secret"),
        ("[gateway", "SMS_GATEWAYS"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, error: str) -> None:
    with pytest.raises(SettingsError, match=error) as raised:
        configured_gateways(text, {})
    assert "\n" not in str(raised.value)
