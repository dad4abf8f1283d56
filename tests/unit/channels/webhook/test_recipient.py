"""tidings/channels/webhook/recipient.py"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.channels.doubles import delivery
from tidings.channels.recipient import MAX_BYTES, RecipientError
from tidings.channels.webhook.recipient import WebhookRecipients

RULES = WebhookRecipients()


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
    assert RULES.check(recipient) == normal


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
        RULES.check(recipient)


@given(
    st.from_regex(r"https://[a-z]{1,9}(\.[a-z]{2,5})?(:[0-9]{1,4})?(/[^\s#@\\\x00-\x1f\x7f]{0,20})?", fullmatch=True)
)
def test_a_url_in_normal_form_is_left_alone(recipient: str) -> None:
    normal = RULES.check(recipient)
    assert RULES.check(normal) == normal


@pytest.mark.parametrize(
    ("url", "destination"),
    [
        ("https://receiver.example/hook?to=a/b", "receiver.example"),
        ("https://receiver.example:8443/", "receiver.example:8443"),
        ("https://[2001:db8::1]/x", "[2001:db8::1]"),
    ],
)
def test_the_destination_is_a_host_and_port(url: str, destination: str) -> None:
    assert RULES.destination(delivery(channel="webhook", recipient=url), None) == destination
