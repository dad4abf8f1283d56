"""tidings/channels/sealed_recipients.py"""

from uuid import uuid4

import pytest

from tidings.channels.apprise.urls import LONGEST
from tidings.channels.recipients import MAX_BYTES
from tidings.channels.sealed_recipients import seal_recipient, shown_recipient, unseal_recipient
from tidings.domain.errors import SettingsError, UnsealError
from tidings.security.secretbox import SecretBox, new_key

URL = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


@pytest.fixture
def box() -> SecretBox:
    return SecretBox([new_key()])


def test_what_is_kept_and_shown_holds_no_secret(box: SecretBox) -> None:
    message_id = uuid4()
    kept = seal_recipient(box, message_id, "apprise", URL)
    assert kept.startswith("slack://gAAAA")
    assert not any(token in kept for token in URL.removeprefix("slack://").split("/"))
    assert shown_recipient("apprise", kept) == "slack://…"
    assert unseal_recipient(box, message_id, "apprise", kept) == URL


def test_other_channels_are_kept_as_they_are(box: SecretBox) -> None:
    for channel, recipient in {"sms": "+905551111111", "webhook": "https://example.com/", "echo": "x"}.items():
        assert seal_recipient(box, uuid4(), channel, recipient) == recipient
        assert shown_recipient(channel, recipient) == recipient
        assert unseal_recipient(box, uuid4(), channel, recipient) == recipient


def test_the_longest_url_fits_where_recipients_are_kept(box: SecretBox) -> None:
    url = "a" * 32 + "://"
    kept = seal_recipient(box, uuid4(), "apprise", url.ljust(LONGEST, "x"))
    assert len(kept.encode()) <= MAX_BYTES


def test_it_opens_for_its_own_message_and_key_only(box: SecretBox) -> None:
    message_id = uuid4()
    kept = seal_recipient(box, message_id, "apprise", URL)
    for other_box, other_id, other in (
        (box, uuid4(), kept),
        (SecretBox([new_key()]), message_id, kept),
        (SecretBox([]), message_id, kept),
        (box, message_id, URL),
        (box, message_id, f"{kept}ä"),
        (box, message_id, ""),
    ):
        with pytest.raises(UnsealError) as refused:
            unseal_recipient(other_box, other_id, "apprise", other)
        assert "TIiaj" not in str(refused.value)


def test_without_a_key_nothing_is_kept() -> None:
    with pytest.raises(SettingsError, match="SECRET_KEYS"):
        seal_recipient(SecretBox([]), uuid4(), "apprise", URL)
