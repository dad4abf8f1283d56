"""From a URL and headers to the bytes of a request."""

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import msgspec
from yarl import URL

from tidings.channels.http.transport import INVALID, OWN_HEADERS

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FRAMING: Final = frozenset({"host", "content-length", "transfer-encoding"})
"""The client's own: another's would let a request end elsewhere than its body does."""
_CARRIED: Final = "".join(map(chr, range(ord("!"), ord("~") + 1)))
"""What a request line can carry as it is."""


class Target(msgspec.Struct, frozen=True, eq=False):
    """A URL, made ready: where to connect, and what a request to it begins with."""

    host: str
    port: int
    tls: bool
    start: str
    """Request line and `Host`."""
    authorization: str
    """A header line, where the URL names a user."""
    key: tuple[str, int, bool]


def read_url(text: str) -> Target:
    """Raises ValueError for a URL that nothing can be sent to."""
    # `encoded`: the URL goes out letter for letter, since its query may be signed.
    url = URL(text, encoded=True)
    host = url.raw_host
    if url.scheme not in {"http", "https"} or not host or not url.port:
        raise ValueError(INVALID)
    if not host.isascii():
        host = URL.build(scheme="http", host=host).raw_host or ""
    host, _, zone = host.partition("%")
    if not host.isprintable() or " " in host:
        raise ValueError(INVALID)
    literal = f"[{host}]" if ":" in host else host
    authority = literal if url.is_default_port() else f"{literal}:{url.port}"
    authorization = ""
    if url.user is not None or url.password is not None:
        pair = b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()
        authorization = f"Authorization: Basic {pair}\r\n"
    if zone:
        host = f"{host}%{zone.removeprefix('25')}"
    tls = url.scheme == "https"
    return Target(
        host=host,
        port=url.port,
        tls=tls,
        start=f"POST {quote(url.raw_path_qs, safe=_CARRIED)} HTTP/1.1\r\nHost: {authority}\r\n",
        authorization=authorization,
        key=(host, url.port, tls),
    )


def head(target: Target, headers: Mapping[str, str], length: int, method: str = "POST") -> bytes:
    """Raises ValueError for a header that HTTP cannot carry, or that is the client's own."""
    own, authorized = _own(tuple(headers))
    given = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if given.count("\n") != len(headers) or given.count("\r") != len(headers) or "\0" in given:
        raise ValueError(INVALID)
    authorization = "" if authorized else target.authorization
    start = target.start if method == "POST" else f"{method}{target.start.removeprefix('POST')}"
    return f"{start}{own}{authorization}{given}Content-Length: {length}\r\n\r\n".encode()


@lru_cache(1024)
def _own(names: tuple[str, ...]) -> tuple[str, bool]:
    """Our header lines beside those of these names, and whether these hold an authorization. Raises ValueError."""
    lower = {name.lower() for name in names}
    if lower & _FRAMING or not all(map(_NAME.fullmatch, names)):
        raise ValueError(INVALID)
    own = "".join(f"{name}: {value}\r\n" for name, value in OWN_HEADERS.items() if name.lower() not in lower)
    return own, "authorization" in lower
