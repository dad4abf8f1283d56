"""How much text the messages of a channel may have, as `MAX_CONTENT_BYTES` writes it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

LARGEST: Final = 1024**2
"""What a request of the usual size has room for."""


@lru_cache(maxsize=8)
def content_limits(texts: tuple[str, ...]) -> Mapping[str, int]:
    """Bytes by channel, from `webhook=262144`. Raises ValueError for what is no such text."""
    return dict(map(_limit, texts))


def _limit(text: str) -> tuple[str, int]:
    channel, _, size = text.partition("=")
    number = int(size) if size.isascii() and size.isdigit() and len(size) <= len(str(LARGEST)) else 0
    if not channel or not 1 <= number <= LARGEST:
        raise ValueError(f"{text!r} is not a channel and its bytes, of 1 to {LARGEST}, such as webhook=262144")
    return channel, number
