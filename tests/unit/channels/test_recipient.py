"""tidings/channels/recipient.py"""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.channels.doubles import delivery
from tidings.channels.installed import recipients
from tidings.channels.recipient import MAX_BYTES, RecipientError, Recipients
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings


@pytest.mark.parametrize("channel", ["echo", "somebody-elses"])
def test_other_channels_take_any_text_of_one_line(channel: str) -> None:
    assert recipients(channel).check("  die Welt 👋🏽 ") == "die Welt 👋🏽"
    for wrong in ("", " \t", "a\nb", "a\0", "\ud800", "ä" * MAX_BYTES):
        with pytest.raises(RecipientError):
            recipients(channel).check(wrong)


@given(channel=st.sampled_from(["sms", "webhook", "email", "echo"]), recipient=st.text() | st.emails())
def test_a_check_gives_a_normal_form_or_a_line(channel: str, recipient: str) -> None:
    try:
        normal = recipients(channel).check(recipient)
    except RecipientError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017  (either outcome is right)
    else:
        assert recipients(channel).check(normal) == normal


@pytest.mark.parametrize("channel", ["sms", "webhook", "email", "echo", "somebody-elses"])
def test_what_is_no_secret_is_stored_and_shown_as_it_is(channel: str) -> None:
    rules = recipients(channel)
    checked = "https://example.com/"
    assert rules.seal(checked, uuid4(), Settings(webhook_unsigned=True)) == checked
    assert rules.unseal(checked, uuid4(), SecretBox([])) == rules.show(checked) == checked


def test_where_a_message_of_another_package_goes_is_not_known() -> None:
    assert Recipients().destination(delivery(channel="pigeon"), None) is None
