"""Lanes: the places in flight, shared out among destinations.

In play, all in memory: for each destination its deliveries in flight, a line of those that wait for a place, and a
breaker. Free places go to the lines in turn. A destination that asks for less (429) gets half of its places, and one
more for each round of deliveries that it takes.

A line holds no slot of its consumer, and may grow as long as there is room: the lines of all destinations together
hold as much as can be in flight, then nothing more is taken in, which is what slows the producer down. Before one
destination takes the room from the others its line is cut: what is over goes back to Postgres, for about as long as the
destination needs to work off what is before it. That happens at once where it stands still, and after a second's
patience where it moves too slowly. Where it is the only one it is waited for longer, since perhaps nobody else comes.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog

from consumers.breaker import Breaker, BreakerState

log = structlog.get_logger(__name__)

STANDSTILL_SECONDS: Final = 0.25
"""Without one delivery that ends; then a destination makes room for others at once, if there is none left."""
PATIENCE_SECONDS: Final = 1.0
"""How long a line is looked at before it is judged by its pace."""
PATIENCE_ALONE: Final = 3
"""So many times as long where there is no other destination."""
LONGEST_WAIT: Final = 10.0
"""Seconds that a line may take at that pace; beyond, the destination is slow."""
SHORTEST_STAY: Final = 1.0
LONGEST_STAY: Final = 60.0
"""Seconds that a message which finds no room stays away."""
SLOWEST_RATE: Final = 20.0
"""Deliveries a second that are assumed of a destination which has not shown any better."""
RATE_SECONDS: Final = 5.0
"""How far back a lane's rate looks."""
LANES_KEPT: Final = 10_000
"""DestinationLimiter kept for the sake of their breakers' memory; beyond that, idle ones are forgotten."""

T = TypeVar("T")


class Destination(Generic[T]):
    """One destination."""

    __slots__ = (
        "_allowed",
        "_eased_at",
        "_ended_lately",
        "_lately_since",
        "_most",
        "_returns_at",
        "breaker",
        "destination",
        "ended",
        "ended_before",
        "in_flight",
        "line",
        "longest",
        "turns",
        "watched_since",
    )

    def __init__(self, destination: str, breaker: Breaker, places: int, now: float) -> None:
        self.destination = destination
        self.breaker = breaker
        self._most = float(places)
        self._allowed = self._most
        self._eased_at = now
        self.in_flight = 0
        self.turns = False
        """Whether it stands among those that are served in turn."""
        self.line: deque[T] = deque()
        self.longest = 0
        """Where its line was cut, the length at which nothing more comes in, until it is half as long; otherwise 0."""
        self.ended = 0
        """Deliveries that have ended, well or not."""
        self.ended_before = 0
        """As many as had ended when it was last looked at."""
        self.watched_since = now
        self._ended_lately = 0.0
        self._lately_since = now
        self._returns_at = 0.0

    @property
    def places(self) -> int:
        """Deliveries in flight at the most."""
        return int(self._allowed)

    @property
    def idle(self) -> bool:
        return not (self.in_flight or self.line)

    @property
    def at_rest(self) -> bool:
        """Idle, and a new lane would be the same."""
        return self.idle and not self.longest and self._allowed == self._most and self.breaker.at_rest

    def ease(self, now: float, began: float) -> bool:
        """The far side asks for less, in answer to a delivery that began then; whether it gets less from now on.

        Those that were in flight together ask once.
        """
        if began < self._eased_at:
            return False
        self._eased_at = now
        self._allowed = max(min(self._allowed, self.in_flight) / 2, 1.0)
        return True

    def strengthen(self) -> None:
        """It took a delivery: one place more for as many of these as there are places."""
        if self._allowed < self._most:
            self._allowed = min(self._allowed + 1 / self._allowed, self._most)

    def count_end(self, now: float) -> None:
        """A delivery has ended."""
        self.ended += 1
        self._ended_lately += 1
        if now - self._lately_since > RATE_SECONDS:
            self._ended_lately /= 2
            self._lately_since = (now + self._lately_since) / 2

    def pace(self, now: float) -> float:
        """Deliveries that ended in a second, of late."""
        return self._ended_lately / max(now - self._lately_since, 0.5)

    def stay(self, now: float) -> float:
        """Seconds until one more message that finds no room should come again: each a bit later than the last."""
        rate = max(self.pace(now), SLOWEST_RATE)
        self._returns_at = max(self._returns_at, now + SHORTEST_STAY) + 1 / rate
        return min(self._returns_at - now, LONGEST_STAY)


class DestinationLimiter(Generic[T]):
    """Decides who goes, who waits, and who is sent back. Create it inside the running event loop.

    `go` starts a delivery of a lane at once. `send_back` takes what stood in a line that was cut, with the seconds that
    it is to stay away.
    """

    def __init__(
        self,
        go: Callable[[Destination[T], T], None],
        send_back: Callable[[T, float], None],
        *,
        places: int,
        places_per_lane: int,
        breaker: Callable[[], Breaker],
        clock: Callable[[], float],
    ) -> None:
        self._go = go
        self._send_back = send_back
        self._places = places
        self._per_lane = places_per_lane
        self._new_breaker = breaker
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[str, Destination[T]] = {}
        self._turns: deque[Destination[T]] = deque()
        """Destinations that have a line and a free place of their own, once each, in the order in which they are
        served..

        """
        self._watched: set[Destination[T]] = set()
        """Destinations whose line is longer than what they may have in flight."""
        self.in_flight = 0
        self.waiting = 0
        self._again: asyncio.TimerHandle | None = None
        """Will look once more whether there is room to be made."""
        self.room = asyncio.Event()
        """Set while the lines hold less than can be in flight."""
        self.room.set()

    def breakers(self) -> dict[str, BreakerState]:
        """The destinations whose breaker is not closed."""
        now = self._clock()
        states = {lane.destination: lane.breaker.state(now) for lane in self._lanes.values()}
        return {destination: state for destination, state in states.items() if state is not BreakerState.CLOSED}

    def open_breakers(self) -> list[tuple[str, BreakerState, float]]:
        """The same, each with its state and the seconds until it is worth asking again."""
        now = self._clock()
        return [
            (destination, state, self._lanes[destination].breaker.wait(now))
            for destination, state in self.breakers().items()
        ]

    def enter(self, destination: str, delivery: T, *, places: int | None = None) -> float | None:
        """Starts a delivery or lets it stand in line: None. Or refuses it: the seconds to stay away.

        `places`, where given, are fewer than a lane has otherwise. Its line is as long as any.
        """
        lane = self._lanes.get(destination) or self._open(destination, places)
        now = self._clock()
        if lane.breaker.state(now) is not BreakerState.CLOSED:
            if wait := lane.breaker.wait(now):
                return max(wait, SHORTEST_STAY)
            if lane.in_flight or lane.line:
                # Half open: one probes, or what was in flight before it opened ends first.
                return lane.stay(now)
        elif lane.longest and len(lane.line) >= lane.longest:
            return lane.stay(now)
        lane.line.append(delivery)
        self.waiting += 1
        self._take_turns(lane)
        self._serve()
        if len(lane.line) > self._per_lane and lane not in self._watched:
            self._watched.add(lane)
            self._watch(lane)
        if self.waiting >= self._places:
            self.room.clear()
            self._make_room()
        return None

    def leave(self, lane: Destination[T]) -> None:
        """A delivery has ended: its place goes to whoever's turn it is."""
        now = self._clock()
        lane.count_end(now)
        lane.in_flight -= 1
        self.in_flight -= 1
        self._take_turns(lane)
        self._serve()
        if lane.at_rest:
            self._lanes.pop(lane.destination, None)

    def clear_line(self, lane: Destination[T]) -> list[T]:
        """Takes everybody out of a line."""
        waiting = list(lane.line)
        lane.line.clear()
        lane.longest = 0
        self._no_longer_waiting(len(waiting))
        return waiting

    def clear(self) -> list[T]:
        """Takes everybody out of every line."""
        return [delivery for lane in self._lanes.values() for delivery in self.clear_line(lane)]

    def _watch(self, lane: Destination[T]) -> None:
        lane.watched_since, lane.ended_before = self._clock(), lane.ended
        patience = PATIENCE_SECONDS if len(self._lanes) > 1 else PATIENCE_SECONDS * PATIENCE_ALONE
        self._loop.call_later(patience, self._look, lane)

    def _look(self, lane: Destination[T]) -> None:
        """Judges a long line by its pace since it was last looked at."""
        if len(lane.line) <= self._per_lane:
            self._watched.discard(lane)
            return
        if not self.room.is_set() and lane.in_flight >= lane.places:
            # There is no room, and that is not for want of places in the process.
            rate = (lane.ended - lane.ended_before) / (self._clock() - lane.watched_since)
            worth = max(int(rate * LONGEST_WAIT), self._per_lane)
            if worth < len(lane.line):
                self._cut(lane, worth)
        self._watch(lane)

    def _make_room(self) -> None:
        """Cuts the longest line of those that stand still, where others need the room; now, or as soon as one does."""
        if self.room.is_set() or not self._watched or len(self._lanes) == 1:
            return
        now = self._clock()
        if still := [lane for lane in self._watched if self._stands_still(lane, now)]:
            self._cut(max(still, key=lambda lane: len(lane.line)), self._per_lane)
        elif self._again is None:
            self._again = self._loop.call_later(STANDSTILL_SECONDS, self._make_room_again)

    def _stands_still(self, lane: Destination[T], now: float) -> bool:
        """Whether no delivery has ended lately, for no want of places, and not only between two bursts of them."""
        return (
            lane.ended == lane.ended_before
            and now - lane.watched_since >= STANDSTILL_SECONDS
            and lane.in_flight >= lane.places
            and lane.pace(now) * LONGEST_WAIT < len(lane.line)
        )

    def _make_room_again(self) -> None:
        self._again = None
        self._make_room()

    def _cut(self, lane: Destination[T], length: int) -> None:
        """Sends back what a line holds beyond that length, each a bit later than the last."""
        if not lane.longest:
            log.warning("destination is slow: messages come back later", destination=lane.destination)
        lane.longest = length
        now = self._clock()
        over = [lane.line.pop() for _ in range(len(lane.line) - length)]
        self._no_longer_waiting(len(over))
        for delivery in reversed(over):
            self._send_back(delivery, lane.stay(now))

    def _no_longer_waiting(self, count: int) -> None:
        self.waiting -= count
        if self.waiting < self._places:
            self.room.set()

    def _take_turns(self, lane: Destination[T]) -> None:
        if lane.line and not lane.turns and lane.in_flight < lane.places:
            lane.turns = True
            self._turns.append(lane)

    def _serve(self) -> None:
        while self._turns and self.in_flight < self._places:
            lane = self._turns.popleft()
            lane.turns = False
            if not lane.line or lane.in_flight >= lane.places:
                # Its line was cleared, or it has fewer places by now.
                continue
            delivery = lane.line.popleft()
            lane.in_flight += 1
            self.in_flight += 1
            self._no_longer_waiting(1)
            if lane.longest and len(lane.line) <= lane.longest // 2:
                lane.longest = 0
            self._take_turns(lane)
            lane.breaker.begin()
            self._go(lane, delivery)

    def _open(self, destination: str, places: int | None) -> Destination[T]:
        if len(self._lanes) >= LANES_KEPT:
            for lane in [lane for lane in self._lanes.values() if lane.idle]:
                del self._lanes[lane.destination]
        places = min(places or self._per_lane, self._per_lane)
        lane = self._lanes[destination] = Destination(destination, self._new_breaker(), places, self._clock())
        return lane
