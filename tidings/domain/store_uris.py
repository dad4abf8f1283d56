"""The addresses of the stores, which may name several hosts."""

import re
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from tidings.domain.addresses import is_loopback

_PARTS: Final = re.compile(r"\A(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?\Z", re.DOTALL)
"""RFC 3986, appendix B."""


def split_store_uri(uri: str) -> SplitResult:
    """As urlsplit, which from Python 3.14 on takes no brackets behind a comma: `one,[::1]:5432`."""
    [(scheme, authority, path, query, fragment)] = _PARTS.findall(uri)
    return SplitResult(scheme.lower(), authority, path, query, fragment)


def is_here(uri: str) -> bool:
    """Whether a store is on this machine: embedded, on a socket, or on loopback."""
    address = split_store_uri(uri)
    try:
        hosts = [urlsplit(f"//{each}").hostname for each in address.netloc.rpartition("@")[2].split(",")]
    except ValueError:
        return False
    hosts += parse_qs(address.query).get("host", [])
    return all(not host or host.startswith("/") or is_loopback(host) for host in hosts)
