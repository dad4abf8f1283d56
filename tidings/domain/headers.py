"""Which headers a message may carry to its receiver, by the grammar of HTTP (RFC 9110, section 5).

A line break in a value would let the sender of a message write a request of its own, so this is checked where a
message is accepted and again where it goes out.
"""

import re
from collections.abc import Mapping
from typing import Final

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


_SECRET: Final = re.compile(
    r"(?:^|-)(?:authorization|auth|cookie2?|set-cookie|secret|token|password|credentials?)(?:$|-)"
    r"|(?:api|access|auth|private|secret)[-_]?key"
)

ACCOUNT_MAIL: Final = "X-Tidings-Account"
"""Marks mail about an account of this deployment: its content is a link that nobody else may use, and is not shown."""
HIDDEN: Final = "…"
"""Shown in place of a secret."""


class HeaderError(ValueError):
    """A header that HTTP cannot carry; the text names it in one line."""


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises HeaderError for a name that is no token, or a value with control characters."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise HeaderError(f"{name!r} is not the name of a header")
        if _NOT_IN_VALUE.search(value):
            raise HeaderError(f"the value of {name!r} contains control characters")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise HeaderError(f"the value of {name!r} is not valid Unicode text")


def is_secret(name: str) -> bool:
    """Whether a header of this name commonly holds a secret, such as `Authorization`, `Cookie`, `X-Api-Key`."""
    return _SECRET.search(name.lower()) is not None


def shown(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers without their secrets."""
    return {name: HIDDEN if is_secret(name) else value for name, value in headers.items()}
