"""api/http/peer.py"""

from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from api.http.peer import PEERS, Peers, came_by_https, client_address, is_this_machine
from tidings.settings import Settings

STRANGER, PROXY, OUTER = "203.0.113.9", "10.0.0.2", "192.0.2.80"


def asked(peer: str | None, *headers: tuple[str, str], **settings: Any) -> web.Request:
    app = web.Application()
    app[PEERS] = Peers(Settings(**settings))
    transport = Mock()
    transport.get_extra_info = {"peername": peer and (peer, 50_000)}.get
    return make_mocked_request("GET", "/", headers=CIMultiDict(headers), app=app, transport=transport)


def forwarded_for(*lines: str) -> list[tuple[str, str]]:
    return [("X-Forwarded-For", line) for line in lines]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_nobody_is_believed_unless_a_setting_says_so(header: str) -> None:
    assert str(client_address(asked(STRANGER, (header, "127.0.0.1")))) == STRANGER
    # Nor who is no proxy, where there are some.
    for kind in ("x-forwarded", "forwarded"):
        request = asked(STRANGER, (header, "for=127.0.0.1"), trusted_proxies=("10.0.0.0/8",), proxy_headers=kind)
        assert str(client_address(request)) == STRANGER


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([STRANGER], STRANGER),
        # What the client made up stands to the left of what the proxy saw.
        ([f"127.0.0.1, {STRANGER}"], STRANGER),
        (["127.0.0.1", STRANGER], STRANGER),
        ([f"6.6.6.6, {STRANGER}, {OUTER}"], STRANGER),
        ([f"{STRANGER}:4711"], STRANGER),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["::ffff:203.0.113.9"], STRANGER),
        # All of them are proxies: the outermost asks for itself.
        ([f"{OUTER}, 10.1.1.1"], OUTER),
        # Nothing can be read beyond an entry that is no address.
        ([f"{STRANGER}, unknown, {OUTER}"], OUTER),
        ([f"{STRANGER}, \x80"], PROXY),
        ([""], PROXY),
        ([], PROXY),
    ],
)
def test_the_client_is_whom_the_last_trusted_proxy_saw(lines: list[str], client: str) -> None:
    request = asked(PROXY, *forwarded_for(*lines), trusted_proxies=("10.0.0.0/8", OUTER))
    assert str(client_address(request)) == client


@pytest.mark.parametrize(
    ("hops", "lines", "client"),
    [
        ("1", [f"127.0.0.1, {STRANGER}"], STRANGER),
        ("2", [f"127.0.0.1, {STRANGER}, {OUTER}"], STRANGER),
        ("2", [STRANGER], STRANGER),
        ("1", [], PROXY),
        ("2", [f"{STRANGER}, nonsense"], PROXY),
    ],
)
def test_proxies_may_be_counted_instead(hops: str, lines: list[str], client: str) -> None:
    assert str(client_address(asked(PROXY, *forwarded_for(*lines), trusted_proxies=(hops,)))) == client


def test_a_header_as_long_as_it_may_be_is_read_to_a_bound() -> None:
    request = asked(PROXY, *forwarded_for(", ".join(["10.0.0.1"] * 1000)), trusted_proxies=("10.0.0.0/8",))
    assert str(client_address(request)) == "10.0.0.1"


@pytest.mark.parametrize(
    ("value", "client", "https"),
    [
        (f"for={STRANGER};proto=https", STRANGER, True),
        (f'for=127.0.0.1;proto=https, For="{STRANGER}:81";Proto=http', STRANGER, False),
        ('for="[2001:db8:cafe::17]:4711"; proto=HTTPS', "2001:db8:cafe::17", True),
        ("for=_hidden;proto=https", PROXY, True),
        ("proto=https", PROXY, True),
        ("nonsense", PROXY, False),
    ],
)
def test_the_standard_header_is_read_where_the_proxy_writes_it(value: str, client: str, *, https: bool) -> None:
    request = asked(
        PROXY,
        ("Forwarded", value),
        # A client's, which that proxy passes on as it is.
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https" if not https else "http"),
        trusted_proxies=(PROXY,),
        proxy_headers="forwarded",
    )
    assert (str(client_address(request)), came_by_https(request)) == (client, https)


@pytest.mark.parametrize("trusted", [(PROXY,), ("1",)])
def test_a_trusted_proxy_says_whether_it_was_https(trusted: tuple[str, ...]) -> None:
    for value, https in [("https", True), ("http", False), ("https, http", False), ("http,https", True)]:
        request = asked(PROXY, ("X-Forwarded-Proto", value), ("Forwarded", "proto=https"), trusted_proxies=trusted)
        assert came_by_https(request) is https
    assert not came_by_https(asked(PROXY, ("X-Forwarded-Proto", "https")))
    assert not came_by_https(asked(STRANGER, ("X-Forwarded-Proto", "https"), trusted_proxies=(PROXY,)))


def test_without_an_address_it_is_nobodys() -> None:
    request = asked(None, ("X-Forwarded-For", STRANGER), trusted_proxies=("10.0.0.0/8",))
    assert str(client_address(request)) == "::"
    assert not is_this_machine(request)
