"""What of our own keeps messages back: no files left, a store away, a key or a channel that is not there.

In memory only. Each is logged when it comes up and then once a minute, with the count of deliveries that it cost, since
a whole queue may meet the same one.
"""

from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 60.0
MOST_KEPT: Final = 100
"""Different ones that are told apart."""


class Shortages:
    """Counts and logs them. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        """When each was logged."""
        self._counts: dict[str, int] = {}
        """Deliveries since then."""

    def count(self, error: str) -> None:
        """Counts a delivery that could not be attempted; `error` says why."""
        now = self._clock()
        self._counts[error] = self._counts.get(error, 0) + 1
        since = self._since.get(error)
        if since is not None and now - since < EVERY_SECONDS:
            return
        if since is None and len(self._since) >= MOST_KEPT:
            oldest = min(self._since, key=lambda each: self._since[each])
            del self._since[oldest], self._counts[oldest]
        self._since[error] = now
        log.error(
            "deliveries wait for a shortage of our own; they use up no attempt",
            error=error,
            deliveries=self._counts[error],
        )
        self._counts[error] = 0
