"""Lanes: the places in flight, shared out among destinations.

In play, all in memory: for each destination its deliveries in flight, a short line of those that wait for a place, and
a breaker. Free places go to the lines in turn. A destination that asks for less (429) gets half of its places, and one
more for each round of deliveries that it takes. What stands in a line holds no slot of its consumer, so a slow
destination keeps neither batches nor slots from the others. Where a line is full, a delivery waits a moment (a fast
destination moves on in milliseconds, and the wait is what slows the producer down); if that is not enough, it is sent
back to Postgres for about as long as the destination needs to work off what is before it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog

from consumers.breaker import Breaker, BreakerState

log = structlog.get_logger(__name__)

PATIENCE_SECONDS: Final = 1.0
"""How long a delivery waits for room in a full line before it looks how fast the line moves."""
LONGEST_WAIT: Final = 10.0
"""Seconds that the line, and those who wait for room in it, may take at that pace; beyond, the destination is slow."""
SHORTEST_STAY: Final = 1.0
LONGEST_STAY: Final = 60.0
"""Seconds that a message which finds no room stays away."""
SLOWEST_RATE: Final = 20.0
"""Deliveries a second that are assumed of a destination which has not shown any better."""
RATE_SECONDS: Final = 5.0
"""How far back a lane's rate looks."""
LANES_KEPT: Final = 10_000
"""Lanes kept for the sake of their breakers' memory; beyond that, idle ones are forgotten."""

T = TypeVar("T")


class Lane(Generic[T]):
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
        "in_flight",
        "line",
        "room",
        "slow",
        "turns",
        "visitors",
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
        self.room = asyncio.Event()
        """Set while the line has room."""
        self.room.set()
        self.slow = False
        """Its line was full for longer than anybody should wait."""
        self.visitors = 0
        """Who waits for room in the line."""
        self.ended = 0
        """Deliveries that have ended, well or not."""
        self._ended_lately = 0.0
        self._lately_since = now
        self._returns_at = 0.0

    @property
    def places(self) -> int:
        """Deliveries in flight at the most."""
        return int(self._allowed)

    @property
    def idle(self) -> bool:
        return not (self.in_flight or self.line or self.visitors)

    @property
    def at_rest(self) -> bool:
        """Idle, and a new lane would be the same."""
        return self.idle and not self.slow and self._allowed == self._most and self.breaker.at_rest

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

    def stay(self, now: float) -> float:
        """Seconds until one more message that finds no room should come again: each a bit later than the last."""
        rate = max(self._ended_lately / max(now - self._lately_since, 0.5), SLOWEST_RATE)
        self._returns_at = max(self._returns_at, now + SHORTEST_STAY) + 1 / rate
        return min(self._returns_at - now, LONGEST_STAY)


class Lanes(Generic[T]):
    """Decides who goes, who waits, and who is sent back. `go` starts a delivery of a lane at once."""

    def __init__(
        self,
        go: Callable[[Lane[T], T], None],
        *,
        places: int,
        places_per_lane: int,
        breaker: Callable[[], Breaker],
        clock: Callable[[], float],
    ) -> None:
        self._go = go
        self._places = places
        self._per_lane = places_per_lane
        self._new_breaker = breaker
        self._clock = clock
        self._lanes: dict[str, Lane[T]] = {}
        self._turns: deque[Lane[T]] = deque()
        """Lanes that have a line and a free place of their own, once each, in the order in which they are served."""
        self.in_flight = 0
        self.waiting = 0

    @property
    def has_room(self) -> bool:
        """Whether the lines hold less than can be in flight."""
        return self.waiting < self._places

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

    async def enter(self, destination: str, delivery: T, *, places: int | None = None) -> float | None:
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
        elif not lane.room.is_set() and not await self._room(lane):
            return lane.stay(self._clock())
        lane.line.append(delivery)
        self.waiting += 1
        if len(lane.line) >= self._per_lane:
            lane.room.clear()
        self._take_turns(lane)
        self._serve()
        return None

    def leave(self, lane: Lane[T]) -> None:
        """A delivery has ended: its place goes to whoever's turn it is."""
        now = self._clock()
        lane.count_end(now)
        lane.in_flight -= 1
        self.in_flight -= 1
        self._take_turns(lane)
        self._serve()
        if lane.at_rest:
            self._lanes.pop(lane.destination, None)

    def clear_line(self, lane: Lane[T]) -> list[T]:
        """Takes everybody out of a line."""
        waiting = list(lane.line)
        self.waiting -= len(waiting)
        lane.line.clear()
        lane.slow = False
        lane.room.set()
        return waiting

    def clear(self) -> list[T]:
        """Takes everybody out of every line."""
        return [delivery for lane in self._lanes.values() for delivery in self.clear_line(lane)]

    async def _room(self, lane: Lane[T]) -> bool:
        """Waits for room in a line; no where the destination is slow."""
        if lane.slow:
            return False
        lane.visitors += 1
        try:
            while not lane.room.is_set():
                before = lane.ended
                try:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        while not lane.room.is_set():
                            await lane.room.wait()
                except TimeoutError:
                    if lane.in_flight < lane.places:
                        # Not this destination is slow: the process has no place left, and waiting is right.
                        continue
                    rate = (lane.ended - before) / PATIENCE_SECONDS
                    if rate * LONGEST_WAIT >= len(lane.line) + lane.visitors:
                        continue
                    if not lane.slow:
                        lane.slow = True
                        log.warning("destination is slow: messages come back later", destination=lane.destination)
                    return False
        finally:
            lane.visitors -= 1
        return True

    def _take_turns(self, lane: Lane[T]) -> None:
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
            self.waiting -= 1
            lane.in_flight += 1
            self.in_flight += 1
            lane.room.set()
            if lane.slow and len(lane.line) <= self._per_lane // 2:
                lane.slow = False
            self._take_turns(lane)
            lane.breaker.begin()
            self._go(lane, delivery)

    def _open(self, destination: str, places: int | None) -> Lane[T]:
        if len(self._lanes) >= LANES_KEPT:
            for lane in [lane for lane in self._lanes.values() if lane.idle]:
                del self._lanes[lane.destination]
        places = min(places or self._per_lane, self._per_lane)
        lane = self._lanes[destination] = Lane(destination, self._new_breaker(), places, self._clock())
        return lane
