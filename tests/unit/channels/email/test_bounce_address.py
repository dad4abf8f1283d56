"""tidings/channels/email/bounce_address.py, and which addresses the setting takes."""

from uuid import UUID

import pytest

from tidings.channels.email.bounce_address import envelope_sender, reported_on
from tidings.domain.errors import SettingsError
from tidings.settings import Settings

MESSAGE_ID = UUID("0197d7a4-5b3e-7c41-9f0a-2b6c8d1e4f70")


def test_an_envelope_sender_names_its_message() -> None:
    address = envelope_sender("Bounces@Example.com", MESSAGE_ID)
    assert address == f"Bounces+{MESSAGE_ID}@Example.com"
    for written in (address, address.lower(), address.upper(), f"<{address}>", f" {address} "):
        assert reported_on(written, "Bounces@Example.com") == MESSAGE_ID
    assert len(envelope_sender(f"{'b' * 27}@example.com", MESSAGE_ID).partition("@")[0]) == 64


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bounces@example.com",
        "bounces+@example.com",
        "bounces+1@example.com",
        f"bounces+{MESSAGE_ID}@example.org",
        f"bounce+{MESSAGE_ID}@example.com",
        f"bounces+{MESSAGE_ID}x@example.com",
        f"bounces+{MESSAGE_ID}",
    ],
)
def test_other_addresses_name_none(address: str) -> None:
    assert reported_on(address, "bounces@example.com") is None


def test_without_a_setting_no_address_names_one() -> None:
    assert reported_on(f"+{MESSAGE_ID}@", "") is None


@pytest.mark.parametrize(
    "address", ["bounces", "a+b@example.com", "jörg@example.com", f"{'b' * 28}@example.com", "@x.y"]
)
def test_settings_refuse_what_gets_no_id(address: str) -> None:
    with pytest.raises(SettingsError, match="BOUNCE_ADDRESS"):
        Settings(bounce_address=address)


@pytest.mark.parametrize(
    "url", ["mail.example.com", "ftp://example.com", "https://", "https://u@x.de", "https://x.de/?a", "https://ä.de"]
)
def test_settings_refuse_what_begins_no_link(url: str) -> None:
    with pytest.raises(SettingsError, match="PUBLIC_URL"):
        Settings(public_url=url)
