"""A circuit breaker, for one destination or one endpoint.

Closed: deliveries flow. After `failures` in a row it opens: nothing is sent there for a while, which saves the receiver
a stampede and us the concurrency. Then it is half open: one delivery probes. A success closes it; a failure opens it
for twice as long, up to `LONGEST_FACTOR` times the first. In memory only: after a crash every breaker is closed.
"""

from enum import StrEnum
from typing import Final

LONGEST_FACTOR: Final = 6
"""A breaker stays open up to so many times as long as at first."""


class BreakerState(StrEnum):
    """Closed: delivers. Open: does not. Half open: may be probed."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Counts failures in a row. Times are seconds of the caller's monotonic clock."""

    def __init__(self, *, failures: int, open_seconds: float) -> None:
        self._failures = failures
        self._shortest = open_seconds
        self._open_for = open_seconds
        self._failed = 0
        self._open_until: float | None = None
        self._probing = False
        self.of_account = False
        """Whether what opened it was an account or a key, which somebody must mend."""

    @property
    def at_rest(self) -> bool:
        """Closed, and nothing has failed lately: a new breaker would be the same."""
        return self._open_until is None and not self._failed

    def state(self, now: float) -> BreakerState:
        """An open breaker that is being probed counts as open: one probe at a time."""
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._probing or now < self._open_until else BreakerState.HALF_OPEN

    def wait(self, now: float) -> float:
        """Seconds until a delivery may go; 0 where one may go now."""
        if self._open_until is None:
            return 0.0
        if self._probing:
            return self._open_for
        return max(self._open_until - now, 0.0)

    def begin(self) -> None:
        """A delivery goes; where the breaker is not closed, it is the probe."""
        self._probing = self._open_until is not None

    def succeed(self) -> bool:
        """Counts an answer that shows the receiver works. Returns whether that closed the breaker."""
        closed = self._open_until is not None
        self._failed = 0
        self._open_until = None
        self._probing = False
        self._open_for = self._shortest
        return closed

    def fail(self, now: float, *, of_account: bool = False) -> bool:
        """Counts a failure; one of an account opens at once. Returns whether that opened the breaker."""
        self._failed += 1
        if self._open_until is not None:
            if not self._probing:
                # One that was in flight when it opened.
                return False
            self._open_for = min(2 * self._open_for, LONGEST_FACTOR * self._shortest)
        elif self._failed < self._failures and not of_account:
            return False
        self.of_account = of_account
        self._open_until = now + self._open_for
        self._probing = False
        return True

    def abandon(self) -> None:
        """Counts an end that says nothing about the receiver; another may probe."""
        self._probing = False
