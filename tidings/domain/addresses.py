"""Addresses, networks and ports, as settings write them."""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LAST_PORT: Final = 65535
MAX_HOPS: Final = 16
"""Proxies between a client and the API at the most."""
LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_HELO_NAME: Final = re.compile(r"\[[0-9A-Za-z:.]{1,60}\]|(?=.{1,253}$)[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{1,63})*")
MAX_PUBLIC_URL: Final = 200

_BOUNCE_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*/=?^_`{|}~.-]{1,27}@[A-Za-z0-9.-]{1,255}")
"""With `+` and an id it has 64 bytes before the `@` (RFC 5321, section 4.5.3.1.1)."""
_PORTS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class Proxy(msgspec.Struct, frozen=True):
    """An HTTP proxy."""

    host: str
    port: int
    authorization: str | None
    """A secret: value of the header that opens it."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address, as it is written, is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761


def networks(cidrs: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is no network."""
    return tuple(ip_network(cidr) for cidr in cidrs)


def trusted_proxies(texts: Sequence[str]) -> tuple[Network, ...] | int:
    """From networks and addresses, or from one number of proxies. Raises ValueError for what is neither."""
    if len(texts) == 1 and texts[0].isascii() and texts[0].isdigit():
        hops = int(texts[0])
        if not 0 < hops <= MAX_HOPS:
            raise ValueError(f"must be a number of proxies between 1 and {MAX_HOPS}, or addresses and networks")
        return hops
    return networks(texts)


def port_ranges(texts: Iterable[str]) -> tuple[range, ...]:
    """From `443` and `1024-65535`. Raises ValueError for what is neither."""
    ranges = []
    for text in texts:
        found = _PORTS.fullmatch(text)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 0 < first <= last <= LAST_PORT:
            raise ValueError(f"{text!r} is neither a port nor a range such as 1024-65535")
        ranges.append(range(first, last + 1))
    return tuple(ranges)


def check_helo_name(name: str) -> None:
    """Raises ValueError for what is neither a host name nor an address in brackets (RFC 5321, section 4.1.1.1)."""
    if not _HELO_NAME.fullmatch(name):
        raise ValueError("must be a host name in ASCII, or an address in brackets")


def parse_proxy(url: str) -> Proxy:
    """From `http://user:password@host:port`. Raises ValueError, whose text holds nothing of it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme != "http" or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("must be http://host:port, or http://user:password@host:port")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(pair.encode()).decode()}"
    return Proxy(host, port, authorization)


def check_public_url(url: str) -> None:
    """Raises ValueError for what is not the beginning of links."""
    parts = urlsplit(url)
    odd = parts.query or parts.fragment or "@" in parts.netloc or not url.isascii() or " " in url
    if parts.scheme not in {"http", "https"} or not parts.hostname or odd or len(url) > MAX_PUBLIC_URL:
        raise ValueError(f"must be like https://mail.example.com, of at most {MAX_PUBLIC_URL} letters")


def check_bounce_address(address: str) -> None:
    """Raises ValueError for an address that cannot get the id of a message."""
    if not _BOUNCE_ADDRESS.fullmatch(address):
        raise ValueError("must be an address of ASCII letters, without '+', whose part before the @ has at most 27")
