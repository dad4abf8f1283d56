"""Who a request comes from: the client behind the proxies that `TRUSTED_PROXIES` names.

What a proxy writes counts only where it is one of those; what any other client writes is ignored. Each proxy adds the
address that it was asked from to the right of the header, so it is read from there: up to the first address that is
no trusted proxy's, or as many entries as there are proxies. What stands further left the client may have made up.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from multidict import CIMultiDictProxy

from tidings.domain.addresses import MAX_HOPS, Address, Network, is_loopback, trusted_proxies
from tidings.settings import Settings

UNKNOWN: Final = IPv6Address("::")
"""Of a client without an address, as on a unix socket."""

_FORWARDING: Final = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"}
)
"""What proxies add, besides everything that begins with `X-Forwarded`."""
_PREFIX: Final = "x-forwarded"
_PAIR: Final = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"([^"\\]*)"|([^\s;,"]*))\s*(?:;|$)')
"""One parameter of `Forwarded` (RFC 7239, section 4); escapes occur in none that is read here."""


class Peers:
    """Reads addresses by the settings."""

    def __init__(self, settings: Settings) -> None:
        proxies: tuple[Network, ...] | int = ()
        if settings.trusted_proxies:
            proxies = trusted_proxies(settings.trusted_proxies)
        self._networks = () if isinstance(proxies, int) else proxies
        self._hops = proxies if isinstance(proxies, int) else 0
        self._standard = settings.proxy_headers == "forwarded"
        self._cached = lru_cache(maxsize=1024)(self._is_proxy)

    def is_proxy(self, address: Address) -> bool:
        """Whether connections from there are a trusted proxy's, and so of many clients."""
        return bool(self._hops) or self._cached(address)

    def client(self, request: web.Request) -> Address:
        """The client's address; that of the nearest proxy known where the header is malformed."""
        return self._followed(request)[0]

    def came_by_https(self, request: web.Request) -> bool:
        """Whether the client's connection is encrypted, be it to the API or to a trusted proxy."""
        if request.secure:
            return True
        if self._standard:
            return self._followed(request)[1].lower() == "https"
        if not self.is_proxy(_direct(request)):
            return False
        return _list(request.headers, "X-Forwarded-Proto")[-1:] == ["https"]

    def _followed(self, request: web.Request) -> tuple[Address, str]:
        """The client's address, and the protocol that `Forwarded` says of its connection."""
        address, scheme = _direct(request), ""
        entries = self._entries(request.headers)
        if self._hops:
            # Where there are fewer, the request did not pass all proxies: the leftmost was written by one all the same.
            for found, scheme in islice(entries, self._hops):  # noqa: B007
                if found is None:
                    break
                address = found
            return address, scheme
        while self._cached(address):
            found, scheme = next(entries, (None, scheme))
            if found is None:
                break
            address = found
        return address, scheme

    def _entries(self, headers: CIMultiDictProxy[str]) -> Iterator[tuple[Address | None, str]]:
        """The hops that the proxies wrote, nearest first."""
        name = "Forwarded" if self._standard else "X-Forwarded-For"
        for entry in reversed(_list(headers, name)[-MAX_HOPS:]):
            if self._standard:
                pairs = {found[1].lower(): found[2] or found[3] or "" for found in _PAIR.finditer(entry)}
                yield _node(pairs.get("for", "")), pairs.get("proto", "")
            else:
                yield _node(entry), ""

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


PEERS: Final = web.AppKey("peers", Peers)


def client_address(request: web.Request) -> Address:
    """The client's, or UNKNOWN."""
    return request.app[PEERS].client(request)


def came_by_https(request: web.Request) -> bool:
    """Whether the client's connection is encrypted as far as the first trusted proxy, or the API."""
    return request.app[PEERS].came_by_https(request)


def is_this_machine(request: web.Request) -> bool:
    """Whether a program on this machine asks the API itself: no proxy has added a header.

    A proxy that adds none, and asks by a loopback name, cannot be told from a program: it needs an `API_KEY`.
    """
    if not _direct(request).is_loopback:
        return False
    return not any(name in _FORWARDING or name.startswith(_PREFIX) for name in map(str.lower, request.headers))


@lru_cache(maxsize=64)
def is_loopback_authority(authority: str) -> bool:
    """Whether a `Host` is this machine, as it is written."""
    try:
        return is_loopback(urlsplit(f"//{authority}").hostname or "")
    except ValueError:
        return False


def _direct(request: web.Request) -> Address:
    """Of the other end of the connection."""
    return parsed(request.remote or "") or UNKNOWN


def _list(headers: CIMultiDictProxy[str], name: str) -> Sequence[str]:
    """The members of a header that is a list, whatever lines it came in."""
    return [member.strip() for line in headers.getall(name, ()) for member in line.split(",")]


def _node(text: str) -> Address | None:
    """An address with or without a port; None for a name, an obfuscated identifier, or nonsense."""
    if text.startswith("["):
        return parsed(text[1:].partition("]")[0])
    return parsed(text.partition(":")[0] if text.count(":") == 1 else text)


@lru_cache(maxsize=1024)
def parsed(text: str) -> Address | None:
    """An address as it is written; None for what is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A dual-stack socket shows clients of IPv4 so.
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
