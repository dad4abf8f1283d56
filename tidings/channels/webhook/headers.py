"""Which headers a webhook may bring from its message or its endpoint."""

from collections.abc import Mapping
from typing import Final

from tidings.domain.headers import check_headers

OWN_PREFIXES: Final = ("webhook-", "tidings-")

NOT_PASSED_ON: Final = frozenset(
    {
        "host",
        "content-length",
        "accept-encoding",
        "expect",
        # Hop-by-hop: they describe a connection, not a message (RFC 9110, section 7.6.1).
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of a message that are not sent, in lower case, besides those that begin with one of OWN_PREFIXES."""


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that are sent, their names in lower case. Raises HeaderError."""
    check_headers(headers)
    lower = {name.lower(): value for name, value in headers.items()}
    kept_back = NOT_PASSED_ON.union(name.strip().lower() for name in lower.get("connection", "").split(","))
    return {name: value for name, value in lower.items() if name not in kept_back and not name.startswith(OWN_PREFIXES)}
