"""What a consumer keeps of one destination, and of one endpoint within it.

Pure and in memory only; times are seconds of the caller's monotonic clock.
"""

from collections import deque
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from consumers.breaker import Breaker, BreakerState
from consumers.paced_line import PacedLine
from tidings.channels.recipient import EndpointKey

SHORTEST_RETRY_IN: Final = 1.0
LONGEST_RETRY_IN: Final = 60.0
"""Bounds, in seconds, of when a message that finds no room comes again."""
SLOWEST_RATE: Final = 20.0
"""Deliveries a second that are assumed of a destination which has not shown any better."""
RATE_SECONDS: Final = 5.0
"""The window over which a destination's rate is measured."""

T = TypeVar("T")


class NotClosed(NamedTuple):
    """A breaker that is open or half open."""

    name: str
    """Of the destination or the endpoint."""
    user_id: UUID | None
    """The user whose endpoint it is; None: it concerns everybody."""
    state: BreakerState
    seconds: float
    """Until something may go there again."""


class Paced(NamedTuple):
    """An endpoint whose receiver has a rate."""

    name: str
    user_id: UUID | None
    rate: float
    """Messages a second, from this consumer."""


class Destination(Generic[T]):
    """One destination: its line, its concurrency and its breaker, which opens for what concerns the host."""

    def __init__(self, key: str, breaker: Breaker, concurrency: int, now: float) -> None:
        self.key = key
        self.breaker = breaker
        self.concurrency = concurrency
        """Deliveries that may be in flight at once."""
        self.in_flight = 0
        self.paced = 0
        """Messages that wait for the rate of their endpoint."""
        self.in_turn = False
        """Whether it is among those that are served in turn."""
        self.line: deque[tuple[Endpoint[T], T]] = deque()
        self.line_limit = 0
        """After a cut the length at which the line takes nothing more, until it is half as long; otherwise 0."""
        self.ended = 0
        """Deliveries that have ended, well or not."""
        self.ended_before = 0
        """The same at `observed_since`."""
        self.observed_since = self._lately_since = now
        self._ended_lately = 0.0
        self._returns_at = 0.0

    @property
    def idle(self) -> bool:
        return not (self.in_flight or self.line or self.paced)

    @property
    def at_rest(self) -> bool:
        """Idle, and a new one would be the same."""
        return self.idle and not self.line_limit and self.breaker.at_rest

    def count_end(self, now: float) -> None:
        self.ended += 1
        self._ended_lately += 1
        if now - self._lately_since > RATE_SECONDS:
            self._ended_lately /= 2
            self._lately_since = (now + self._lately_since) / 2

    def rate(self, now: float) -> float:
        """Deliveries that ended in a second, over the last `RATE_SECONDS` or so."""
        return self._ended_lately / max(now - self._lately_since, 0.5)

    def retry_in(self, now: float) -> float:
        """Seconds until one more message that finds no room should come again: each a bit later than the last."""
        rate = max(self.rate(now), SLOWEST_RATE)
        self._returns_at = max(self._returns_at, now + SHORTEST_RETRY_IN) + 1 / rate
        return min(self._returns_at - now, LONGEST_RETRY_IN)


class Endpoint(Generic[T]):
    """What fails by itself within a destination, of one user or of all. Its messages stand in that line."""

    def __init__(self, key: EndpointKey, breaker: Breaker, destination: Destination[T], now: float) -> None:
        self.key = key
        self.breaker = breaker
        self.destination = destination
        self.inside = 0
        """Its messages in either line and in flight."""
        self.paced: PacedLine[T] | None = None
        """Where its receiver has refused some as too many."""
        self._accepted_lately = 0.0
        self._lately_since = now

    def count_accepted(self, now: float) -> None:
        self._accepted_lately += 1
        if now - self._lately_since > RATE_SECONDS:
            self._accepted_lately /= 2
            self._lately_since = (now + self._lately_since) / 2

    def accepted_rate(self, now: float) -> float:
        """Messages that were accepted in a second, over the last `RATE_SECONDS` or so."""
        return self._accepted_lately / max(now - self._lately_since, 1.0)

    def wait(self, now: float) -> float:
        """Seconds until one of its messages may stand in line; 0 where it may now."""
        if self.breaker.state(now) is BreakerState.CLOSED:
            return 0.0
        if wait := self.breaker.wait(now):
            return max(wait, SHORTEST_RETRY_IN)
        # Half open: one probes, or what was there before it opened ends first.
        return self.destination.retry_in(now) if self.inside else 0.0

    def at_rest(self, now: float) -> bool:
        """Idle, and a new one would be the same."""
        return not self.inside and self.breaker.at_rest and (self.paced is None or self.paced.over(now))
