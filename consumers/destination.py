"""One destination as a consumer sees it: its line, what it may have in flight, and what its answers say of it.

Pure and in memory only; times are seconds of the caller's monotonic clock. A destination that has not answered lately
has one delivery in flight. Each answer adds more, so that a few round trips bring all of its concurrency. A time-out
during which nothing else was answered puts it back to one. An endpoint whose receiver asks for less (429) has a line of
its own, from which messages go at the rate that it takes.
"""

from collections import deque
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from consumers.breaker import Breaker, BreakerState
from consumers.capacity import SLOW_SECONDS, Share
from consumers.paced_line import PacedLine
from tidings.channels.recipient import EndpointKey

GROWTH: Final = 2
"""What an answer adds to the concurrency: three times as many after each round trip."""
GROWTH_OF_SLOW: Final = 3
"""What an answer adds that took longer than `PROMPT_SECONDS`: four times as many, or it would take seconds.

With that for all, two consumers would have a fifth more messages refused by a receiver of five a second.
"""
PROMPT_SECONDS: Final = 0.05
FORGOTTEN_SECONDS: Final = 60.0
"""After so long without a delivery, nothing is known of a destination any more."""
ENDPOINT_PART: Final = 4
"""An endpoint that has not answered yet has one in so many of its destination's concurrency."""
ENDPOINT_LEAST: Final = 8
"""But not fewer than these: where few may be in flight, as for an account, the endpoint is all there is."""
SURE_SECONDS: Final = 5.0
"""A destination that has answered in the last seconds is sure to answer."""
STALLED_SECONDS: Final = 0.25
"""A destination with a line of which nothing starts or ends for so long is stalled."""
LONGEST_WAIT: Final = 10.0
"""Seconds that a line may take at its rate; beyond, the destination is slow."""
SHORTEST_RETRY_IN: Final = 1.0
LONGEST_RETRY_IN: Final = 60.0
"""Bounds, in seconds, of when a message that finds no room comes again."""
SILENT_FACTOR: Final = 2
"""A message for a destination that does not answer comes again after so many times as long as that has gone on."""
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


class Entry(Generic[T]):
    """One delivery within the limiter: in line, and then in flight."""

    __slots__ = ("delivery", "endpoint", "high", "share", "size", "sure")

    def __init__(self, endpoint: "Endpoint[T]", delivery: T, size: int, share: Share, *, high: bool) -> None:
        self.endpoint = endpoint
        self.delivery = delivery
        self.size = size
        """Bytes of its content."""
        self.high = high
        self.share = share
        """What it counts against while it is in flight."""
        self.sure = True
        """How it counts there."""


class Destination(Generic[T]):
    """One destination: its line, its concurrency and its breaker, which opens for what concerns the host."""

    __slots__ = (
        "_answered_at",
        "_ended",
        "_ended_before",
        "_ended_lately",
        "_lately_since",
        "_limit",
        "_most",
        "_observed_since",
        "_prompt",
        "_returns_at",
        "_silent_since",
        "_timed_out",
        "breaker",
        "held_bytes",
        "high",
        "in_flight",
        "in_turn",
        "key",
        "line",
        "line_limit",
        "moved_at",
        "paced",
        "parked",
    )

    def __init__(self, key: str, breaker: Breaker, concurrency: int, now: float) -> None:
        self.key = key
        self.breaker = breaker
        self._most = float(concurrency)
        self._limit = 1.0
        self.in_flight = 0
        self.held_bytes = 0
        """Of the contents in flight."""
        self.in_turn = False
        """Whether it is among those that are served in turn."""
        self.line: deque[Entry[T]] = deque()
        self.parked: dict[Endpoint[T], None] = {}
        """Endpoints with messages that wait for an answer from there, and stand in no line meanwhile."""
        self.high = 0
        """Messages of priority `high` in its line; they come first."""
        self.paced = 0
        """Messages that wait for the rate of their endpoint."""
        self.line_limit = 0
        """After a cut the length at which the line takes nothing more, until it is half as long; otherwise 0."""
        self.moved_at = self._lately_since = now
        self._ended = self._ended_before = 0
        """Deliveries that have ended, and those before `_observed_since`."""
        self._observed_since: float | None = None
        """Since when its long line is observed."""
        self._ended_lately = 0.0
        self._returns_at = 0.0
        self._answered_at: float | None = None
        self._silent_since = now
        """Since when something is in flight, or has timed out, and nothing was answered."""
        self._prompt = False
        """Whether its last answer was no slow one."""
        self._timed_out = False
        """Since its last answer."""

    @property
    def concurrency(self) -> int:
        """Deliveries that may be in flight at once, at least 1."""
        return int(self._limit)

    @property
    def endpoint_concurrency(self) -> int:
        """What one endpoint that has not answered yet may have in flight."""
        return max(int(self._most) // ENDPOINT_PART, ENDPOINT_LEAST)

    @property
    def idle(self) -> bool:
        return not (self.in_flight or self.line or self.parked or self.paced)

    @property
    def full(self) -> bool:
        """Whether its line was cut, and is still as long as it may be."""
        return bool(self.line_limit) and len(self.line) >= self.line_limit

    @property
    def at_rest(self) -> bool:
        """Idle, and a new one would be the same."""
        return (
            self.idle
            and not self.line_limit
            and self._answered_at is None
            and not self._timed_out
            and self.breaker.at_rest
        )

    def forgettable(self, now: float) -> bool:
        """Idle, and a new one would soon be the same."""
        return (
            self.idle
            and self.breaker.at_rest
            and (self._answered_at is None or now - self._answered_at > FORGOTTEN_SECONDS)
        )

    def may_start(self, most_bytes: int) -> bool:
        """Whether one more of its line may be in flight, as far as it alone is concerned."""
        return (
            bool(self.line)
            and self.in_flight < self.concurrency
            and (not self.in_flight or self.held_bytes + self.line[0].size <= most_bytes)
        )

    def start(self, entry: Entry[T], now: float) -> None:
        """Counts a delivery that starts."""
        if not self.in_flight:
            if not self._timed_out:
                self._silent_since = now
            if self._answered_at is not None and now - self._answered_at > FORGOTTEN_SECONDS:
                self._answered_at, self._prompt, self._limit = None, False, 1.0
        self.in_flight += 1
        self.held_bytes += entry.size
        self.moved_at = now

    def end(self, entry: Entry[T], now: float) -> None:
        """Counts a delivery that has ended, well or not."""
        self.in_flight -= 1
        self.held_bytes -= entry.size
        self.moved_at = now
        self._ended += 1
        self._ended_lately += 1
        if now - self._lately_since > RATE_SECONDS:
            self._ended_lately /= 2
            self._lately_since = (now + self._lately_since) / 2

    def answered(self, now: float, *, began: float, takes_more: bool = True) -> None:
        """Counts an answer to a delivery that began at `began`; `takes_more` unless it says "too many"."""
        self._answered_at = self._silent_since = now
        self._timed_out = False
        self._prompt = now - began <= SLOW_SECONDS
        if takes_more and self._limit < self._most:
            growth = GROWTH if now - began < PROMPT_SECONDS else GROWTH_OF_SLOW
            self._limit = min(self._limit + growth, self._most)

    def unanswered(self, *, began: float) -> bool:
        """Counts a time-out; returns whether the destination is back to one by that."""
        if self._answered_at is not None and self._answered_at > began:
            return False
        first = not self._timed_out
        self._timed_out, self._prompt, self._limit = True, False, 1.0
        return first

    def silent(self, now: float) -> float:
        """Seconds for which something has been in flight, or has timed out, without any answer."""
        return now - self._silent_since if self.in_flight or self._timed_out else 0.0

    def unproven(self) -> bool:
        """Whether it has not answered lately."""
        return self._answered_at is None or self._timed_out

    def hangs(self, now: float) -> bool:
        """Whether it has not answered lately, and what is in flight there now has waited for long."""
        return self.unproven() and self.in_flight >= self.concurrency and self.silent(now) >= SLOW_SECONDS

    def prompt(self, now: float) -> bool:
        """Whether its deliveries are expected to be answered soon."""
        return self._prompt and self.silent(now) < SLOW_SECONDS

    def sure(self, now: float) -> bool:
        """Whether its next delivery may take the last of a share."""
        if self.high:
            return True
        answered_at = self._answered_at
        return answered_at is not None and not self._timed_out and now - answered_at < SURE_SECONDS

    def stalled(self, now: float) -> bool:
        """Whether nothing of its line starts or ends, and that is not for want of capacity in the process."""
        if now - self.moved_at < STALLED_SECONDS:
            return False
        if self.unproven():
            return True
        # Not only between two bursts.
        return self.in_flight >= self.concurrency and (
            self.silent(now) >= SLOW_SECONDS or self.rate(now) * LONGEST_WAIT < len(self.line)
        )

    def observe(self, now: float) -> None:
        """Its line is long: from now on, or from before, its rate is observed."""
        if self._observed_since is None:
            self._observed_since, self._ended_before = now, self._ended

    def observe_no_longer(self) -> None:
        self._observed_since = None

    def observed_rate(self, now: float, *, patience: float) -> float | None:
        """Deliveries that ended in a second since this was last known; None for `patience` seconds after that."""
        if self._observed_since is None or (seconds := now - self._observed_since) < patience:
            return None
        rate = (self._ended - self._ended_before) / seconds
        self._observed_since, self._ended_before = now, self._ended
        return rate

    def rate(self, now: float) -> float:
        """Deliveries that ended in a second, over the last `RATE_SECONDS` or so."""
        return self._ended_lately / max(now - self._lately_since, 0.5)

    def retry_in(self, now: float) -> float:
        """Seconds until one more message that finds no room should come again: each a bit later than the last."""
        rate = max(self.rate(now), SLOWEST_RATE)
        first = max(SHORTEST_RETRY_IN, SILENT_FACTOR * self.silent(now) if self.unproven() else 0.0)
        self._returns_at = max(self._returns_at, now + first) + 1 / rate
        return min(self._returns_at - now, LONGEST_RETRY_IN)


class Endpoint(Generic[T]):
    """What fails by itself within a destination, of one user or of all. Its messages stand in that line.

    Until it has answered it has a part of its destination's concurrency, and after a time-out one delivery at a time;
    its other messages are parked. So a path that hangs does not hold up its host.
    """

    def __init__(self, key: EndpointKey, breaker: Breaker, destination: Destination[T], now: float) -> None:
        self.key = key
        self.breaker = breaker
        self.destination = destination
        self.inside = 0
        """Its messages in either line, parked and in flight."""
        self.in_flight = 0
        self.parked: deque[Entry[T]] = deque()
        self._by_itself = key.name != destination.key or key.user_id is not None
        """Whether it is not all of its destination."""
        self._limit = destination.endpoint_concurrency
        """Until it has answered."""
        self._answered_at: float | None = None
        self._timed_out = False
        """Since its last answer."""
        self._began = 0.0
        self.paced: PacedLine[Entry[T]] | None = None
        """Where its receiver has refused some as too many."""
        self._accepted_lately = 0.0
        self._lately_since = now

    @property
    def full(self) -> bool:
        """Whether its next message must wait until there is an answer."""
        return self._answered_at is None and self._by_itself and self.in_flight >= self._limit

    @property
    def proven(self) -> bool:
        """Whether it has answered, and not hung since."""
        return self._answered_at is not None

    def start(self, now: float) -> None:
        if not self.in_flight:
            self._began = now
        self.in_flight += 1

    def answered(self, now: float) -> None:
        self._answered_at, self._timed_out = now, False

    def unanswered(self, *, began: float) -> None:
        """Counts a time-out; one delivery goes at a time from now on, unless another was answered since it began."""
        if self._answered_at is None or self._answered_at <= began:
            self._answered_at, self._limit, self._timed_out = None, 1, True

    def silent(self, now: float) -> float:
        """Seconds for which something has been in flight, where it has not answered lately."""
        return now - self._began if self.full else 0.0

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
        limited = self.paced is not None and not self.paced.over(now)
        return not (self.inside or limited or self._timed_out) and self.breaker.at_rest
