"""tidings/channels/recipients.py"""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.recipients import MAX_BYTES, RecipientError, channel_names, check_recipient


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
    assert check_recipient("sms", recipient) == normal


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
        check_recipient("sms", recipient)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("recipient", "normal"),
    [
        ("https://example.com/hook?token=a%2Fb", "https://example.com/hook?token=a%2Fb"),
        ("HTTPS://EXAMPLE.com", "https://example.com/"),
        ("https://example.com:443?a=%7E+%2f#", "https://example.com/?a=%7E+%2f"),
        ("https://example.com/a b?c=100%&d=%2F", "https://example.com/a%20b?c=100%25&d=/"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("https://10.0.0.1/", "https://10.0.0.1/"),
        ("http://localhost:9000/hook", "http://localhost:9000/hook"),
        ("http://receiver.localhost/", "http://receiver.localhost/"),
        ("http://127.0.0.2/", "http://127.0.0.2/"),
        ("http://[::1]:80/", "http://[::1]/"),
    ],
)
def test_webhook_urls(recipient: str, normal: str) -> None:
    assert check_recipient("webhook", recipient) == normal


@pytest.mark.parametrize(
    ("recipient", "part"),
    [
        ("http://example.com/", "https"),
        ("http://localhost.example.com/", "https"),
        ("http://2130706433/", "https"),
        ("ftp://example.com/", "absolute"),
        ("//example.com/", "absolute"),
        ("/hook", "absolute"),
        ("https:///hook", "absolute"),
        ("javascript:alert(1)", "absolute"),
        ("https://user@example.com/", "user name"),
        ("https://:secret@example.com/", "user name"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com:99999/", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://a..b/", "host name"),
        ("https://ex ample.com/", "host name"),
        ("https://ex%00ample.com/", "host name"),
        (f"https://{'a' * 64}.example/", "host name"),
        ("https://example.com/\nHost: x", "control"),
        ("https://example.com/" + "a" * MAX_BYTES, "longer"),
    ],
)
def test_what_is_no_webhook_url_is_refused(recipient: str, part: str) -> None:
    with pytest.raises(RecipientError, match=part):
        check_recipient("webhook", recipient)


@pytest.mark.parametrize(
    ("recipient", "normal"),
    [
        ("somebody@example.com", "somebody@example.com"),
        (" Some.Body+tag@EXAMPLE.com ", "Some.Body+tag@example.com"),
        ("root@mailhost", "root@mailhost"),
        ("jörg@bücher.example", "jörg@bücher.example"),
        ("a@xn--bcher-kva.example", "a@bücher.example"),
        ("o'brien@mail.example.com", "o'brien@mail.example.com"),
    ],
)
def test_email_addresses(recipient: str, normal: str) -> None:
    assert check_recipient("email", recipient) == normal


@pytest.mark.parametrize(
    "recipient",
    [
        *("", "nobody", "@example.com", "a@", "a@b@example.com", "a@-example.com", "a@example..com", ".a@example.com"),
        *("a b@example.com", "a@exam ple.com", "Somebody <a@example.com>", "<a@example.com>", "a@example.com, b@c.de"),
        *("a@example.com\r\nRCPT TO:<b@example.com>", "a@example.com\nBcc: b", "a\x00@example.com", "a@example.com>"),
        *("a@[127.0.0.1]", "a@" + "b." * 130 + "com", "a@exa\u2028mple.com", "\ud800@b.com"),
    ],
)
def test_what_is_no_email_address_is_refused(recipient: str) -> None:
    with pytest.raises(RecipientError) as raised:
        check_recipient("email", recipient)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("channel", ["echo", "somebody-elses"])
def test_other_channels_take_any_text_of_one_line(channel: str) -> None:
    assert check_recipient(channel, "  die Welt 👋🏽 ") == "die Welt 👋🏽"
    for wrong in ("", " \t", "a\nb", "a\0", "\ud800", "ä" * MAX_BYTES):
        with pytest.raises(RecipientError):
            check_recipient(channel, wrong)


@given(channel=st.sampled_from(["sms", "webhook", "email", "echo"]), recipient=st.text() | st.emails())
def test_a_check_gives_a_normal_form_or_a_line(channel: str, recipient: str) -> None:
    try:
        normal = check_recipient(channel, recipient)
    except RecipientError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017  (either outcome is right)
    else:
        assert check_recipient(channel, normal) == normal


@given(
    st.from_regex(r"https://[a-z]{1,9}(\.[a-z]{2,5})?(:[0-9]{1,4})?(/[^\s#@\\\x00-\x1f\x7f]{0,20})?", fullmatch=True)
)
def test_a_url_in_normal_form_is_left_alone(recipient: str) -> None:
    normal = check_recipient("webhook", recipient)
    assert check_recipient("webhook", normal) == normal


def test_the_channels_are_known_without_importing_them() -> None:
    assert channel_names() >= {"sms", "webhook", "email", "echo"}
    program = (
        "import sys; from tidings.channels.recipients import channel_names; channel_names();"
        "sys.exit('consumers' in sys.modules or 'aiohttp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
