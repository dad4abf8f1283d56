"""A circuit breaker for one destination.

Closed: deliveries flow. After `failures` in a row it opens: nothing is sent there for a while, which saves the far side
a stampede and us the places in flight. Then it is half open: one delivery probes. A success closes it; a failure opens
it for twice as long, up to `longest`. Pure: the clock is the caller's.
"""

from enum import StrEnum
from typing import Final

LONGEST_FACTOR: Final = 6
"""How many times longer than at first a breaker stays open at the most."""


class BreakerState(StrEnum):
    """Whether a destination is being delivered to."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Says whether the next delivery may go; times are seconds of one monotonic clock."""

    __slots__ = ("_failed", "_failures", "_open_for", "_open_until", "_probing", "_shortest")

    def __init__(self, *, failures: int, open_seconds: float) -> None:
        self._failures = failures
        self._shortest = open_seconds
        self._open_for = open_seconds
        self._failed = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def at_rest(self) -> bool:
        """Closed, and nothing has failed lately: a new breaker would be the same."""
        return self._open_until is None and not self._failed

    def state(self, now: float) -> BreakerState:
        """The state at a moment."""
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._probing or now < self._open_until else BreakerState.HALF_OPEN

    def wait(self, now: float) -> float:
        """Seconds until it is worth asking again; 0 where a delivery may go now."""
        if self._open_until is None:
            return 0.0
        if self._probing:
            return self._open_for
        return max(self._open_until - now, 0.0)

    def begin(self) -> None:
        """A delivery goes; where the breaker is not closed, it is the probe."""
        self._probing = self._open_until is not None

    def succeed(self) -> bool:
        """A delivery got an answer that shows the far side is well; answers whether that closed the breaker."""
        closed = self._open_until is not None
        self._failed = 0
        self._open_until = None
        self._probing = False
        self._open_for = self._shortest
        return closed

    def fail(self, now: float) -> bool:
        """A delivery failed; answers whether that opened the breaker."""
        self._failed += 1
        if self._open_until is not None:
            if not self._probing:
                # One that was in flight when it opened.
                return False
            self._open_for = min(2 * self._open_for, LONGEST_FACTOR * self._shortest)
        elif self._failed < self._failures:
            return False
        self._open_until = now + self._open_for
        self._probing = False
        return True

    def abandon(self) -> None:
        """A delivery ended without telling anything about the far side; another may probe."""
        self._probing = False
