"""tidings/channels/webhook/recipient.py"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.channels.doubles import MESSAGE_ID, delivery
from tidings.channels.recipient import MAX_BYTES, RecipientError
from tidings.channels.webhook.recipient import WebhookRecipients
from tidings.domain.errors import SettingsError
from tidings.domain.ids import new_id
from tidings.security.secretbox import new_key
from tidings.settings import Settings

RULES = WebhookRecipients()
USER = new_id()


@pytest.mark.parametrize(
    ("recipient", "normal"),
    [
        ("https://example.com/hook?token=a%2Fb", "https://example.com/hook?token=a%2Fb"),
        ("HTTPS://EXAMPLE.com", "https://example.com/"),
        ("https://example.com:443?a=%7E+%2f#", "https://example.com/?a=%7E+%2f"),
        ("https://example.com/a b?c=100%&d=%2F", "https://example.com/a%20b?c=100%&d=%2F"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        # Only what an HTTP request cannot carry is encoded, and what is there keeps its spelling.
        ("https://example.com/?sp=%2Ftrig&arr[]=1", "https://example.com/?sp=%2Ftrig&arr[]=1"),
        ("https://example.com/?sig=%7e%2f&a={b|c}^`'ü d", "https://example.com/?sig=%7e%2f&a={b|c}^`'%C3%BC%20d"),
        ("https://example.com/%7e/{a}[b]|/../c?%zz", "https://example.com/%7e/%7Ba%7D[b]|/../c?%zz"),
        ('https://example.com/<"\\>?<"\\>', "https://example.com/%3C%22%5C%3E?%3C%22%5C%3E"),
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
        ("http://2130706433/", "host 2130706433 is neither"),
        ("https://2130706433/", "host 2130706433 is neither"),
        ("https://0x7f000001/", "host 0x7f000001 is neither"),
        ("https://127.1:8443/", "host 127.1 is neither"),
        ("https://010.0.0.1/", "host 010.0.0.1 is neither"),
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


HERE = Settings(webhook_unsigned=True)
OUTSIDE = Settings(webhook_unsigned=True, host="0.0.0.0", secret_key="x" * 32, webhook_allow_ports=("443", "9000-9010"))
OPENED = Settings(webhook_unsigned=True, host="0.0.0.0", secret_key="x" * 32, webhook_allow_cidrs=("10.1.0.0/16",))


def stored(recipient: str, settings: Settings) -> str:
    """As the operator's; that of accounts is the stricter."""
    return RULES.seal(RULES.check(recipient), MESSAGE_ID, settings, operators=True)


@pytest.mark.parametrize(
    ("recipient", "settings"),
    [
        ("https://example.com/", OUTSIDE),
        ("https://example.com:9005/", OUTSIDE),
        ("https://93.184.215.14/", OUTSIDE),
        ("https://10.1.2.3/", OPENED),
        ("http://10.1.2.3:8080/hook", OPENED),
        ("http://orders.internal/hook", OPENED),  # where the name leads is checked with the connection
        ("http://localhost:9000/hook", HERE),
        ("http://[::1]/", HERE),
        ("https://127.0.0.1/", HERE),
    ],
)
def test_what_the_settings_open_is_stored_as_it_is(recipient: str, settings: Settings) -> None:
    assert stored(recipient, settings) == recipient


@pytest.mark.parametrize(
    ("recipient", "settings", "part"),
    [
        ("https://example.com:0/", HERE, "port 0, which WEBHOOK_ALLOW_PORTS"),
        ("https://example.com:22/", HERE, "port 22, which WEBHOOK_ALLOW_PORTS does not open: 80, 443, 1024-65535"),
        ("https://example.com:8443/", OUTSIDE, "port 8443"),
        ("http://example.com/", HERE, "must be an https URL"),
        ("http://localhost.example.com/", HERE, "must be an https URL"),
        ("http://localhost:9000/", OUTSIDE, "must be an https URL"),
        ("http://127.0.0.1:9000/", OUTSIDE, "loopback address, which WEBHOOK_ALLOW_CIDRS"),
        ("https://10.2.0.1/", OPENED, "private address, which WEBHOOK_ALLOW_CIDRS"),
        ("https://[::ffff:10.2.0.1]/", OPENED, "private address"),
        ("https://169.254.169.254/", HERE, "link-local address"),
        ("http://orders.internal/hook", replace(OPENED, egress_proxy="http://proxy:3128"), "must be an https URL"),
        ("http://93.184.215.14/", OPENED, "must be an https URL"),
    ],
)
def test_what_the_settings_keep_closed_is_refused_by_name(recipient: str, settings: Settings, part: str) -> None:
    with pytest.raises(RecipientError, match=part):
        stored(recipient, settings)


@pytest.mark.parametrize("recipient", ["http://localhost:9000/hook", "http://[::1]/", "https://127.0.0.1/"])
def test_an_accounts_webhooks_reach_loopback_only_where_the_networks_name_it(recipient: str) -> None:
    with pytest.raises(RecipientError):
        RULES.seal(RULES.check(recipient), MESSAGE_ID, HERE)
    opened = replace(HERE, webhook_allow_cidrs=("127.0.0.0/8", "::1/128"))
    assert RULES.seal(RULES.check(recipient), MESSAGE_ID, opened) == recipient


def test_behind_a_proxy_loopback_is_open_to_nobody() -> None:
    with pytest.raises(RecipientError):
        stored("http://127.0.0.1:9000/", replace(HERE, trusted_proxies=("1",)))


def test_the_endpoint_shows_no_path() -> None:
    secret = "https://hooks.slack.example/services/T024BE7LD/B0123/aXuTPjdd5nHHG"
    endpoint = RULES.endpoint(delivery(recipient=f"{secret}?n=1", user_id=USER), None)
    assert endpoint.user_id == USER
    assert re.fullmatch(r"https://hooks\.slack\.example/…[0-9a-f]{12}", endpoint.name)
    # It is one and the same whatever the query, and another for another path.
    assert RULES.endpoint(delivery(recipient=secret, user_id=USER), None) == endpoint
    assert RULES.endpoint(delivery(recipient=f"{secret}/", user_id=USER), None) != endpoint
    bare = RULES.endpoint(delivery(recipient="https://example.com/?a=b", user_id=USER), None)
    assert bare.name == "https://example.com/"


def test_what_nothing_could_sign_is_not_stored() -> None:
    with pytest.raises(SettingsError, match="SECRET_KEYS"):
        stored("https://example.com/", Settings())
    assert stored("https://example.com/", Settings(webhook_signing_secret="whsec_" + "a" * 32))
    assert stored("https://example.com/", Settings(secret_keys=(new_key(),)))
