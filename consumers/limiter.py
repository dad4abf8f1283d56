"""The destination limiter: shares the deliveries in flight of one consumer among its destinations.

In play, in memory only: for each destination its deliveries in flight, the line of those that wait, and a breaker; for
each endpoint within it another breaker. A crash loses the lines; their batches' leases run out. Free capacity goes to
the lines in turn. A destination that asks
for less (429) gets half of its concurrency, and one more for each round of deliveries that it takes.

Waiting in a line costs no slot of the consumer. All lines together hold as many messages as can be in flight; then
nothing more is taken in, which slows the producer down. Before one destination blocks the others its line is cut: the
excess goes back to Postgres for about as long as the rest of the line needs. A stalled destination is cut at once, a
slow one after `PATIENCE_SECONDS`, and the only destination later still, since perhaps nobody else needs the room.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

import structlog

from consumers.breaker import Breaker, BreakerState
from tidings.channels.recipient import EndpointKey

log = structlog.get_logger(__name__)

STALLED_SECONDS: Final = 0.25
"""A destination where no delivery ends for so long is stalled, and makes room for others if there is none left."""
PATIENCE_SECONDS: Final = 1.0
"""How long a line is observed before it is judged by its rate."""
PATIENCE_FACTOR_OF_ONE: Final = 3
"""So many times as long where there is no other destination."""
LONGEST_WAIT: Final = 10.0
"""Seconds that a line may take at its rate; beyond, the destination is slow."""
SHORTEST_RETRY_IN: Final = 1.0
LONGEST_RETRY_IN: Final = 60.0
"""Bounds, in seconds, of when a message that finds no room comes again."""
SLOWEST_RATE: Final = 20.0
"""Deliveries a second that are assumed of a destination which has not shown any better."""
RATE_SECONDS: Final = 5.0
"""The window over which a destination's rate is measured."""
DESTINATIONS_KEPT: Final = 10_000
"""Destinations remembered for their breakers' sake; beyond that, idle ones are forgotten."""
ENDPOINTS_KEPT: Final = 10_000
"""The same of endpoints; beyond that, the idle one is forgotten that was used least recently."""

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


class Destination(Generic[T]):
    """One destination: its line, its concurrency and its breaker, which opens for what concerns the host."""

    def __init__(self, key: str, breaker: Breaker, concurrency: int, now: float) -> None:
        self.key = key
        self.breaker = breaker
        self._most = self._limit = float(concurrency)
        self.in_flight = 0
        self.in_turn = False
        """Whether it is among those that are served in turn."""
        self.line: deque[tuple[Endpoint[T], T]] = deque()
        self.line_limit = 0
        """After a cut the length at which the line takes nothing more, until it is half as long; otherwise 0."""
        self.ended = 0
        """Deliveries that have ended, well or not."""
        self.ended_before = 0
        """The same at `observed_since`."""
        self.observed_since = self._decreased_at = self._lately_since = now
        self._ended_lately = 0.0
        self._returns_at = 0.0

    @property
    def concurrency(self) -> int:
        """Deliveries that may be in flight at once, at least 1."""
        return int(self._limit)

    @property
    def idle(self) -> bool:
        return not (self.in_flight or self.line)

    @property
    def at_rest(self) -> bool:
        """Idle, and a new one would be the same."""
        return self.idle and not self.line_limit and self._limit == self._most and self.breaker.at_rest

    def decrease(self, now: float, began: float) -> bool:
        """Halves the concurrency after a delivery that began at `began` was answered "too many requests".

        Deliveries that were in flight together count once: returns False for all but the first.
        """
        if began < self._decreased_at:
            return False
        self._decreased_at = now
        self._limit = max(min(self._limit, self.in_flight) / 2, 1.0)
        return True

    def increase(self) -> None:
        """Counts a delivery that was taken: as many of them as the concurrency add one to it."""
        if self._limit < self._most:
            self._limit = min(self._limit + 1 / self._limit, self._most)

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

    def __init__(self, key: EndpointKey, breaker: Breaker, destination: Destination[T]) -> None:
        self.key = key
        self.breaker = breaker
        self.destination = destination
        self.inside = 0
        """Its messages in line and in flight."""
        self._paused_until = 0.0

    def pause(self, until: float) -> None:
        """Lets nothing go until then, as the receiver asks (`Retry-After`)."""
        self._paused_until = max(self._paused_until, until)

    def wait(self, now: float) -> float:
        """Seconds until one of its messages may stand in line; 0 where it may now."""
        if now < self._paused_until:
            return self._paused_until - now - SHORTEST_RETRY_IN + self.destination.retry_in(now)
        if self.breaker.state(now) is BreakerState.CLOSED:
            return 0.0
        if wait := self.breaker.wait(now):
            return max(wait, SHORTEST_RETRY_IN)
        # Half open: one probes, or what was there before it opened ends first.
        return self.destination.retry_in(now) if self.inside else 0.0

    def at_rest(self, now: float) -> bool:
        """Idle, and a new one would be the same."""
        return not self.inside and self.breaker.at_rest and now >= self._paused_until


class DestinationLimiter(Generic[T]):
    """Decides which delivery starts, which waits, and which is sent back. Create it inside the running event loop.

    `start` starts a delivery at once. `send_back` takes what is cut from a line, with the seconds until it may return.
    """

    def __init__(
        self,
        start: Callable[[Endpoint[T], T], None],
        send_back: Callable[[T, float], None],
        *,
        concurrency: int,
        concurrency_per_destination: int,
        breaker: Callable[[], Breaker],
        clock: Callable[[], float],
    ) -> None:
        self._start = start
        self._send_back = send_back
        self._concurrency = concurrency
        self._per_destination = concurrency_per_destination
        self._new_breaker = breaker
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._destinations: dict[str, Destination[T]] = {}
        self._endpoints: dict[tuple[str, EndpointKey], Endpoint[T]] = {}
        """By destination and key; the least recently used first."""
        self._turns: deque[Destination[T]] = deque()
        """Destinations with a line and free concurrency, once each, in the order in which they are served."""
        self._observed: set[Destination[T]] = set()
        """Destinations whose line is longer than what they may have in flight."""
        self.in_flight = 0
        self.waiting = 0
        self._make_room_timer: asyncio.TimerHandle | None = None
        self.room = asyncio.Event()
        """Set while the lines hold less than can be in flight."""
        self.room.set()

    def breakers(self) -> list[NotClosed]:
        """The breakers that are not closed, of destinations and then of endpoints."""
        now = self._clock()
        breakers = [(EndpointKey(destination.key), destination.breaker) for destination in self._destinations.values()]
        breakers += [(endpoint.key, endpoint.breaker) for endpoint in self._endpoints.values()]
        states = ((key, breaker, breaker.state(now)) for key, breaker in breakers)
        return [
            NotClosed(key.name, key.user_id, state, breaker.wait(now))
            for key, breaker, state in states
            if state is not BreakerState.CLOSED
        ]

    def enter(
        self, key: str, delivery: T, *, endpoint: EndpointKey | None = None, concurrency: int | None = None
    ) -> float | None:
        """Starts a delivery or puts it in line and returns None; or refuses it and returns the seconds to stay away.

        `concurrency` lowers the limit of a new destination; its line is as long as any. Without an `endpoint` it is the
        destination's own.
        """
        destination = self._destinations.get(key) or self._open(key, concurrency)
        now = self._clock()
        if destination.breaker.state(now) is not BreakerState.CLOSED:
            if wait := destination.breaker.wait(now):
                return max(wait, SHORTEST_RETRY_IN)
            if not destination.idle:
                # Half open: one probes, or what was in flight before it opened ends first.
                return destination.retry_in(now)
        elif destination.line_limit and len(destination.line) >= destination.line_limit:
            return destination.retry_in(now)
        entered = self._endpoint(destination, EndpointKey(key) if endpoint is None else endpoint)
        if wait := entered.wait(now):
            return wait
        entered.inside += 1
        destination.line.append((entered, delivery))
        self.waiting += 1
        self._take_turns(destination)
        self._serve()
        if len(destination.line) > self._per_destination and destination not in self._observed:
            self._observed.add(destination)
            self._observe(destination)
        if self.waiting >= self._concurrency:
            self.room.clear()
            self._make_room()
        return None

    def find(self, key: str, endpoint: EndpointKey) -> tuple[Destination[T] | None, Endpoint[T] | None]:
        """A destination and an endpoint within it, where they are known."""
        return self._destinations.get(key), self._endpoints.get((key, endpoint))

    def leave(self, endpoint: Endpoint[T]) -> None:
        """Ends a delivery that was started, and starts the next in turn."""
        now = self._clock()
        destination = endpoint.destination
        destination.count_end(now)
        destination.in_flight -= 1
        self.in_flight -= 1
        self._left(endpoint)
        self._take_turns(destination)
        self._serve()
        if destination.at_rest:
            self._destinations.pop(destination.key, None)

    def clear_line(self, destination: Destination[T], of: Endpoint[T] | None = None) -> list[T]:
        """Empties one line, or takes one endpoint's messages out of it, and returns what was taken."""
        line = list(destination.line)
        taken = [each for each in line if of is None or each[0] is of]
        destination.line.clear()
        destination.line.extend(each for each in line if not (of is None or each[0] is of))
        if len(destination.line) <= destination.line_limit // 2:
            destination.line_limit = 0
        self._no_longer_waiting(len(taken))
        for endpoint, _ in taken:
            self._left(endpoint)
        return [delivery for _, delivery in taken]

    def send_back(self, seconds: float | None, destination: Destination[T], of: Endpoint[T] | None = None) -> None:
        """Sends back a line, or one endpoint's part of it; without `seconds` for as long as that is paused."""
        now = self._clock()
        for delivery in self.clear_line(destination, of):
            self._send_back(delivery, seconds or (destination.retry_in(now) if of is None else of.wait(now)))

    def clear(self) -> list[T]:
        """Empties every line and returns what was in them."""
        return [delivery for destination in self._destinations.values() for delivery in self.clear_line(destination)]

    def _observe(self, destination: Destination[T]) -> None:
        destination.observed_since, destination.ended_before = self._clock(), destination.ended
        patience = PATIENCE_SECONDS if len(self._destinations) > 1 else PATIENCE_SECONDS * PATIENCE_FACTOR_OF_ONE
        self._loop.call_later(patience, self._judge, destination)

    def _judge(self, destination: Destination[T]) -> None:
        """Cuts a long line where it is too long for the rate since `_observe`."""
        if len(destination.line) <= self._per_destination:
            self._observed.discard(destination)
            return
        if not self.room.is_set() and destination.in_flight >= destination.concurrency:
            # There is no room, and that is not for want of capacity in the process.
            rate = (destination.ended - destination.ended_before) / (self._clock() - destination.observed_since)
            worth = max(int(rate * LONGEST_WAIT), self._per_destination)
            if worth < len(destination.line):
                self._cut(destination, worth)
        self._observe(destination)

    def _make_room(self) -> None:
        """Cuts the longest stalled line where others need the room; where none is stalled, checks again shortly."""
        if self.room.is_set() or not self._observed or len(self._destinations) == 1:
            return
        now = self._clock()
        if stalled := [destination for destination in self._observed if self._stalled(destination, now)]:
            self._cut(max(stalled, key=lambda destination: len(destination.line)), self._per_destination)
        elif self._make_room_timer is None:
            self._make_room_timer = self._loop.call_later(STALLED_SECONDS, self._make_room_again)

    def _stalled(self, destination: Destination[T], now: float) -> bool:
        """Whether no delivery has ended lately, though it had capacity, and not only between two bursts."""
        return (
            destination.ended == destination.ended_before
            and now - destination.observed_since >= STALLED_SECONDS
            and destination.in_flight >= destination.concurrency
            and destination.rate(now) * LONGEST_WAIT < len(destination.line)
        )

    def _make_room_again(self) -> None:
        self._make_room_timer = None
        self._make_room()

    def _cut(self, destination: Destination[T], length: int) -> None:
        """Sends back what a line holds beyond that length, each a bit later than the last."""
        if not destination.line_limit:
            log.warning("destination is slow: messages come back later", destination=destination.key)
        destination.line_limit = length
        now = self._clock()
        over = [destination.line.pop() for _ in range(len(destination.line) - length)]
        self._no_longer_waiting(len(over))
        for endpoint, delivery in reversed(over):
            self._left(endpoint)
            self._send_back(delivery, destination.retry_in(now))

    def _no_longer_waiting(self, count: int) -> None:
        self.waiting -= count
        if self.waiting < self._concurrency:
            self.room.set()

    def _take_turns(self, destination: Destination[T]) -> None:
        if destination.line and not destination.in_turn and destination.in_flight < destination.concurrency:
            destination.in_turn = True
            self._turns.append(destination)

    def _serve(self) -> None:
        while self._turns and self.in_flight < self._concurrency:
            destination = self._turns.popleft()
            destination.in_turn = False
            if not destination.line or destination.in_flight >= destination.concurrency:
                # Its line was cleared, or its concurrency was decreased in the meantime.
                continue
            endpoint, delivery = destination.line.popleft()
            destination.in_flight += 1
            self.in_flight += 1
            self._no_longer_waiting(1)
            if destination.line_limit and len(destination.line) <= destination.line_limit // 2:
                destination.line_limit = 0
            self._take_turns(destination)
            destination.breaker.begin()
            endpoint.breaker.begin()
            self._start(endpoint, delivery)

    def _open(self, key: str, concurrency: int | None) -> Destination[T]:
        if len(self._destinations) >= DESTINATIONS_KEPT:
            for destination in [each for each in self._destinations.values() if each.idle]:
                del self._destinations[destination.key]
        concurrency = min(concurrency or self._per_destination, self._per_destination)
        destination = self._destinations[key] = Destination(key, self._new_breaker(), concurrency, self._clock())
        return destination

    def _endpoint(self, destination: Destination[T], key: EndpointKey) -> Endpoint[T]:
        """The endpoint, as the one that was used last."""
        endpoint = self._endpoints.pop((destination.key, key), None)
        if endpoint is None:
            if len(self._endpoints) >= ENDPOINTS_KEPT:
                oldest = next((each for each, endpoint in self._endpoints.items() if not endpoint.inside), None)
                if oldest is not None:
                    del self._endpoints[oldest]
            endpoint = Endpoint(key, self._new_breaker(), destination)
        # While it was idle, the destination may have been forgotten and opened again.
        endpoint.destination = destination
        self._endpoints[destination.key, key] = endpoint
        return endpoint

    def _left(self, endpoint: Endpoint[T]) -> None:
        endpoint.inside -= 1
        if endpoint.at_rest(self._clock()):
            self._endpoints.pop((endpoint.destination.key, endpoint.key), None)
