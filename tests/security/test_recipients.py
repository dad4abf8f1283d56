"""Recipients as strangers write them: each is taken or refused at the door, and goes where it was checked to go."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from api.app import create_app
from tests.integration.api.accounts.people import operator
from tests.integration.api.client import Api
from tidings.channels.http.requests import read_url
from tidings.channels.installed import channel_names, recipients
from tidings.channels.recipient import RecipientError
from tidings.domain.ids import new_id
from tidings.security.egress import webhook_egress
from tidings.security.secretbox import new_key
from tidings.settings import Settings

REFUSED: Final[Mapping[str, str]] = {
    "https://[:::::]/": "IPv6",
    "https://[::ffff:1.2.3.999]/": "IPv6",
    "https://[v1.a]/": "IPv6",
    "https://[v1.a]:443/": "IPv6",
    "https://[1.2.3.4]/": "IPv6",
    "https://[]/": "IPv6",
    "https://[::1": "IPv6",
    "https://::1]/": "IPv6",
    "https://a[::1]/": "IPv6",
    "https://[::1]a/": "IPv6",
    "https://hook.example.com:0/": "port 0",
    "https://hook.example.com:65536/": "URL",
    "https://hook.example.com:x/": "URL",
    "https://hook.example.com:22/": "port 22",
    "https://[2606:4700::1111]:25/": "port 25",
    "https://127.0.0.1/": "loopback",
    "https://127.0.0.1./": "neither",
    "https://127.1/": "neither",
    "https://2130706433/": "neither",
    "https://0x7f000001/": "neither",
    "https://0177.0.0.1/": "neither",
    "https://0x7f.0.0.1/": "neither",
    "https://１２７.0.0.1/": "loopback",
    "https://localhost/": "loopback",
    "https://LOCALHOST./": "loopback",
    "https://a.localhost/": "loopback",
    "https://a.localhost./": "loopback",
    "https://[::1]/": "loopback",
    "https://[::ffff:127.0.0.1]/": "loopback",
    "https://[::ffff:a00:1]/": "private",
    "https://[64:ff9b::10.0.0.1]/": "private",
    "https://[64:ff9b:1::1]/": "tunnel",
    "https://[2002:7f00:1::]/": "tunnel",
    "https://[fd00::1]/": "private",
    "https://[fe80::1%25eth0]/": "link-local",
    "https://10.0.0.1/": "private",
    "https://192.168.1.1/": "private",
    "https://169.254.169.254/latest/": "link-local",
    "https://168.63.129.16/": "metadata",
    "https://100.64.0.1/": "CGNAT",
    "https://0.0.0.0/": "unspecified",
    "https://[::]/": "unspecified",
    "https://224.0.0.1/": "multicast",
    "https://255.255.255.255/": "reserved",
    f"https://{'ü' * 301}/": "malformed",
    f"https://{'a.' * 151}/": "malformed",
}

WEBHOOK: Final = {"channel": "webhook", "content": "x"}
OPEN: Final = (
    "https://hook.example.com/",
    "https://hook.example.com./x",
    "https://1.1.1.1/",
    "https://[2606:4700::1]/",
)


def public(settings: Settings) -> Settings:
    """As a deployment has it that others reach."""
    changed: dict[str, object] = {
        "host": "0.0.0.0",
        "webhook_allow_ports": ("443", "8000-9000"),
        "webhook_allow_cidrs": (),
    }
    return msgspec.structs.replace(settings, **changed)


async def test_what_would_be_cancelled_later_is_refused_at_the_door(settings: Settings) -> None:
    async with Api.serving(create_app(public(settings))) as api:
        for url, reason in REFUSED.items():
            answer = await operator(api).post("/api/v1/messages", {**WEBHOOK, "recipient": url})
            assert (answer.status, answer.faults) == (422, [(None, "recipient")]), (url, answer.body)
            assert reason in answer.body["detail"], (url, answer.body["detail"])
        for url in OPEN:
            answer = await operator(api).post("/api/v1/messages", {**WEBHOOK, "recipient": url})
            assert (answer.status, answer.body["recipient"]) == (201, url)


@pytest.mark.parametrize(
    ("cidrs", "opened", "closed"),
    [
        (("127.0.0.0/8",), ("https://127.0.0.1/", "https://localhost/", "https://localhost./"), ("https://[::1]/",)),
        (("::1/128",), ("https://[::1]/", "https://a.localhost/"), ("https://127.0.0.1/",)),
        (("10.0.0.0/8",), ("https://10.1.2.3/", "https://[::ffff:10.1.2.3]/"), ("https://localhost/",)),
    ],
)
def test_what_the_operator_opens_is_open_at_the_door(
    cidrs: tuple[str, ...], opened: tuple[str, ...], closed: tuple[str, ...]
) -> None:
    settings = Settings(webhook_unsigned=True, host="0.0.0.0", webhook_allow_cidrs=cidrs)
    rules = recipients("webhook")
    for url in opened:
        assert rules.seal(rules.check(url), new_id(), settings)
    for url in closed:
        with pytest.raises(RecipientError):
            rules.seal(rules.check(url), new_id(), settings)


_PIECES: Final = st.sampled_from(
    [
        *(
            "[",
            "]",
            ":",
            "::",
            "::1",
            "v1.",
            "@",
            "%",
            "%25",
            ".",
            "/",
            "\\",
            "?",
            "#",
            "0x",
            "127",
            "1",
            "443",
            "65535",
        ),
        *(
            "localhost",
            "example.com",
            "ü",
            "ß",
            "。",
            "１",
            "\u0301",
            "\u200d",
            "\u00ad",
            "ffff",
            "xn--",
            "-",
            "_",
            " ",
        ),
        *(
            "https://",
            "http://",
            "+90",
            "555",
            "<",
            ">",
            '"',
            "(",
            ")",
            ",",
            ";",
            "slack://",
            "json://",
            "=",
            "&",
            "\x7f",
        ),
    ]
)
_TEXT: Final = (
    st.lists(_PIECES, max_size=14).map("".join)
    | st.text(max_size=60)
    | st.lists(_PIECES | st.text(max_size=3), max_size=9).map("".join)
)
_URL: Final = st.builds(
    "{}{}{}".format, st.sampled_from(["https://", "http://", "HTTPS://"]), _TEXT, st.sampled_from(["", "/"])
)


@effort(max_examples=400)
@given(_TEXT | _URL)
@example("https://[:::::]/")
@example("https://[::ffff:1.2.3.999]/")
@example("https://[v1.a]/")
def test_whatever_is_written_is_taken_or_refused(text: str) -> None:
    settings = Settings(webhook_unsigned=True, host="0.0.0.0", secret_keys=(_KEY,))
    for channel in channel_names() | {"webhook"}:
        rules = recipients(channel)
        refusal = ""
        try:
            rules.seal(rules.check(text), new_id(), settings)
        except RecipientError as error:
            refusal = str(error)
        assert "\n" not in refusal


_KEY: Final = new_key()


@effort(max_examples=600)
@given(_URL)
@example("https://[v1.a]/")
@example("https://ex。ample.com/")
@example("https://１２７.0.0.1:443/")
@example("https://a@b@c/")
@example("https://a\\@b/")
def test_a_url_goes_where_it_was_checked_to_go(text: str) -> None:
    rules, settings = recipients("webhook"), Settings(webhook_unsigned=True, host="0.0.0.0")
    try:
        checked = rules.check(text)
        sealed = rules.seal(checked, new_id(), settings)
    except RecipientError:
        return
    target = read_url(sealed)
    assert rules.check(checked) == checked
    authority = sealed.partition("://")[2].partition("/")[0]
    host = authority.rpartition(":")[0] if authority.rpartition("]")[2].count(":") else authority
    assert target.host == host.strip("[]").partition("%")[0]
    try:
        ip_address(target.host)
    except ValueError:
        assert "[" not in authority
    else:
        assert webhook_egress(settings).check(target.host, target.port) is None
    assert webhook_egress(settings).opens(target.port)
