"""How long a claim lingers, so that messages gather for it.

A batch costs its round trips whether it holds one message or a hundred. A single message is claimed at once; the more
of them come, the longer a claim waits after the one before, up to 15 ms, so that batches fill before the work grows.
Where a claim fills all its batches there is no wait at all: what is there is gathered already.
"""

from collections.abc import Callable
from typing import Final

LONGEST_SECONDS: Final = 0.015
LONGEST_AT: Final = 2000.0
"""Messages a second from which on claims are as far apart as they may be."""
MEMORY_SECONDS: Final = 1.0
"""How much of the past counts for the rate."""


class Linger:
    """How long one claiming loop waits."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._claimed = 0.0
        self._since = clock()
        self._last = self._since

    def record(self, messages: int) -> None:
        """So many messages were claimed just now."""
        self._last = self._clock()
        self._claimed += messages
        if self._last - self._since > MEMORY_SECONDS:
            # The older half is forgotten.
            self._claimed /= 2
            self._since = (self._since + self._last) / 2

    def pause(self) -> float:
        """Seconds to wait before the next claim."""
        now = self._clock()
        rate = self._claimed / max(now - self._since, MEMORY_SECONDS / 2)
        return max(self._last + LONGEST_SECONDS * min(rate / LONGEST_AT, 1.0) - now, 0.0)
