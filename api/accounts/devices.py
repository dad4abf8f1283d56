"""Devices: a browser that logged in once shows so with a cookie, and is counted apart from strangers.

Nothing is kept here. The cookie holds a digest of the name and when it ends, signed; it lets nobody in, it only keeps
the failures of others from being in the way.
"""

import hmac
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Final

from tidings.domain.clock import CLOCK

LIFE: Final = timedelta(days=90)
MAX_LENGTH: Final = 200


class Devices:
    """Makes what such a cookie holds, and reads it."""

    def __init__(self, key: bytes, *, clock: Callable[[], float] = CLOCK.seconds) -> None:
        self._key = key
        self._clock = clock

    def issue(self, digest: str) -> str:
        """For a browser that logged in under this name."""
        text = f"{digest}.{int(self._clock() + LIFE.total_seconds())}"
        return f"{text}.{self._signature(text)}"

    def read(self, value: str | None) -> str | None:
        """The digest of the name; None for a value that is foreign, changed or too old."""
        if value is None or len(value) > MAX_LENGTH or not value.isascii():
            return None
        text, _, signature = value.rpartition(".")
        if not hmac.compare_digest(signature, self._signature(text)):
            return None
        digest, _, until = text.partition(".")
        return digest if int(until) > self._clock() else None

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), sha256).hexdigest()
