"""The destination limiter: shares what one consumer may have in flight among its destinations.

In play, in memory only: for each destination its deliveries in flight, the line of those that wait, and a breaker; for
each endpoint within it another breaker. A crash loses the lines; their batches' leases run out. Free capacity goes to
the lines in turn. What is slow, or goes to a destination that has not answered lately, counts against a share of its
own (capacity.py), so that the fast one is never taken up by what hangs. What goes to an endpoint whose receiver asks
for less (429) waits for its rate first, in a line of its own (paced_line.py).

Waiting in a line costs no slot of the consumer. Lines hold as many messages as can be in flight; those for destinations
that are not known to work hold as many as can be slow. All contents that are held have as many bytes as the settings
allow. Then nothing more is taken in, which slows the producer down. Lines that are too long then go back to Postgres
for about as long as the rest of the line needs (room.py).
"""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog

from consumers import room
from consumers.ageing import Ageing
from consumers.breaker import Breaker, BreakerState
from consumers.capacity import SLOW_SECONDS, Limits, shares
from consumers.destination import (
    SHORTEST_RETRY_IN,
    SILENT_FACTOR,
    Destination,
    Endpoint,
    Entry,
    NotClosed,
    not_closed,
)
from consumers.lines import Lines
from consumers.paces import Paces
from consumers.turns import Turns
from tidings.channels.recipient import EndpointKey

log = structlog.get_logger(__name__)

CHECK_SECONDS: Final = 0.05
"""While there is no room, lines that are too long are looked for so often."""
DESTINATIONS_KEPT: Final = 10_000
"""Destinations that are remembered; beyond that, idle ones are forgotten."""
ENDPOINTS_KEPT: Final = 10_000
"""The same of endpoints; beyond that, the idle one is forgotten that was used least recently."""

T = TypeVar("T")


class DestinationLimiter(Generic[T]):
    """Decides which delivery starts, which waits, and which is sent back. Create it inside the running event loop.

    `start` starts a delivery at once. `send_back` takes what is cut from a line, with the seconds until it may return.
    """

    def __init__(
        self,
        start: Callable[[Entry[T]], None],
        send_back: Callable[[T, float], None],
        *,
        limits: Limits,
        breaker: Callable[[], Breaker],
        clock: Callable[[], float],
    ) -> None:
        self._start = start
        self._send_back = send_back
        self._limits = limits
        self._new_breaker = breaker
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._destinations: dict[str, Destination[T]] = {}
        self.endpoints: dict[tuple[str, EndpointKey], Endpoint[T]] = {}
        """By destination and key; the least recently used first."""
        fast, slow = shares(limits)
        self._fast: Turns[T] = Turns(fast)
        self._slow: Turns[T] = Turns(slow)
        self._ageing: Ageing[Entry[T]] = Ageing(SLOW_SECONDS, self._grow_old, clock=clock)
        self.waiting = 0
        """In all lines."""
        self._lines: Lines[T] = Lines(self._urgent, long=limits.per_destination)
        self.paces: Paces[T] = Paces(
            self.endpoints, self._go, self._send_paced_back, limit=limits.in_flight // 2, clock=clock
        )
        self.held_bytes = 0
        """Of the contents in line and in flight."""
        self._check_timer: asyncio.TimerHandle | None = None
        self.room = asyncio.Event()
        """Set while the lines hold less than can be in flight, and all contents less than is allowed."""
        self.room.set()

    @property
    def in_flight(self) -> int:
        return self._fast.share.in_flight + self._slow.share.in_flight

    @property
    def slow(self) -> int:
        """Those in flight that have waited for long, or go to a destination that has not answered promptly lately."""
        return self._slow.share.in_flight

    def breakers(self) -> list[NotClosed]:
        """The breakers that are not closed, of destinations and then of endpoints."""
        return not_closed(self._destinations.values(), self.endpoints.values(), self._clock())

    def enter(
        self,
        key: str,
        delivery: T,
        *,
        endpoint: EndpointKey | None = None,
        concurrency: int | None = None,
        per_hour: int | None = None,
        burst: int | None = None,
        size: int = 0,
        high: bool = False,
    ) -> float | None:
        """Starts a delivery or puts it in line and returns None; or refuses it and returns the seconds to stay away.

        `concurrency` lowers the limit of a new destination; its line is as long as any. Without an `endpoint` it is the
        destination's own, and `per_hour` is how many may go to it in an hour, by all consumers. `size` is that of the
        content in bytes.
        """
        now = self._clock()
        destination = self._destinations.get(key) or self._open(key, concurrency, now)
        if destination.breaker.state(now) is not BreakerState.CLOSED:
            if wait := destination.breaker.wait(now):
                return max(wait, SHORTEST_RETRY_IN)
            if not destination.idle:
                # Half open: one probes, or what was in flight before it opened ends first.
                return destination.retry_in(now)
        elif destination.full or (self._pressed and destination.hangs(now)):
            return destination.retry_in(now)
        entered = self._endpoint(destination, EndpointKey(key) if endpoint is None else endpoint)
        if wait := entered.wait(now):
            return wait
        if self._pressed and (silent := entered.silent(now)) >= SLOW_SECONDS:
            return max(SILENT_FACTOR * silent, destination.retry_in(now))
        if per_hour is not None or entered.paced is not None:
            self.paces.allow(entered, per_hour, now, burst=burst)
        entered.inside += 1
        self.waiting += 1
        self.held_bytes += size
        refused = self._enter(Entry(entered, delivery, size, self._fast.share, high=high), now)
        self._judge_room()
        return refused

    def refuse(self, endpoint: Endpoint[T], *, began: float, delay: float | None) -> bool:
        """A delivery that began at `began` was too many for the receiver, which may ask for a `delay`.

        Returns whether that lowered the rate of its endpoint.
        """
        now = self._clock()
        if not self.paces.refuse(endpoint, now, began=began, delay=delay):
            return False
        for entry in self._take(endpoint.destination, endpoint):
            if retry_in := self._enter(entry, now):
                self._send_back(entry.delivery, retry_in)
        self._judge_room()
        return True

    def _enter(self, entry: Entry[T], now: float) -> float | None:
        """Puts an entry in its destination's line, or in its endpoint's where that has a rate. As `enter`."""
        wait = self.paces.enter(entry, now)
        if wait:
            self._gone(entry)
        elif wait is not None:
            self._go(entry)
        return wait or None

    def _go(self, entry: Entry[T]) -> None:
        """Nothing of its endpoint's own holds it up."""
        now, destination = self._clock(), entry.endpoint.destination
        self._lines.put(entry, now)
        self._take_turns(destination, now)
        self._serve(now)
        if len(destination.line) > self._limits.per_destination:
            destination.observe(now)

    def _send_paced_back(self, entry: Entry[T], retry_in: float) -> None:
        self._gone(entry)
        self._judge_room()
        self._send_back(entry.delivery, retry_in)

    def _gone(self, entry: Entry[T]) -> None:
        """Counts an entry that waits no longer, and does not go."""
        self.waiting -= 1
        self.held_bytes -= entry.size
        self._left(entry.endpoint)

    def find(self, key: str, endpoint: EndpointKey) -> tuple[Destination[T] | None, Endpoint[T] | None]:
        """A destination and an endpoint within it, where they are known."""
        return self._destinations.get(key), self.endpoints.get((key, endpoint))

    def leave(self, entry: Entry[T]) -> None:
        """Ends a delivery that was started, and starts the next in turn."""
        now = self._clock()
        destination, share = entry.endpoint.destination, entry.share
        self._ageing.end(entry)
        destination.end(entry, now)
        self._lines.sort(destination)
        share.remove(entry.size, sure=entry.sure)
        self.held_bytes -= entry.size
        for turns in (self._fast, self._slow):
            if turns.waiting:
                turns.changed(destination)
                if turns.share is share:
                    turns.freed()
        entry.endpoint.in_flight -= 1
        self._lines.unpark(entry.endpoint, now)
        self._left(entry.endpoint)
        self._take_turns(destination, now)
        self._serve(now)
        self._judge_room()
        if destination.at_rest:
            self._destinations.pop(destination.key, None)

    def clear_line(self, destination: Destination[T], of: Endpoint[T] | None = None) -> list[T]:
        """Empties one line, or takes one endpoint's messages out of it, and returns what was taken."""
        taken = self._take(destination, of)
        for entry in taken:
            self._gone(entry)
        self._judge_room()
        return [entry.delivery for entry in taken]

    def send_back(self, seconds: float, destination: Destination[T], of: Endpoint[T] | None = None) -> None:
        """Sends back a line, or one endpoint's part of it."""
        for delivery in self.clear_line(destination, of):
            self._send_back(delivery, seconds)

    def _take(self, destination: Destination[T], of: Endpoint[T] | None) -> list[Entry[T]]:
        """Takes entries out of the lines they wait in, and leaves them counted."""
        for endpoint in list(destination.parked) if of is None else [of]:
            self._lines.unpark(endpoint, self._clock(), whole=True)
        line = list(destination.line)
        taken = [entry for entry in line if of is None or entry.endpoint is of]
        destination.line.clear()
        destination.line.extend(entry for entry in line if not (of is None or entry.endpoint is of))
        for entry in taken:
            self._lines.remove(entry)
        if destination.paced:
            taken += self.paces.take(destination, of)
        return taken

    def clear(self) -> list[T]:
        """Empties every line and returns what was in them."""
        return [delivery for destination in self._destinations.values() for delivery in self.clear_line(destination)]

    @property
    def _pressed(self) -> bool:
        """Whether half of the room for what may hang is taken."""
        return 2 * self._lines.apart >= self._limits.slow or 2 * self.held_bytes >= self._limits.held_bytes

    def _judge_room(self) -> None:
        apart, limits = self._lines.apart, self._limits
        if self.waiting - apart < limits.in_flight and apart < limits.slow and self.held_bytes < limits.held_bytes:
            self.room.set()
            return
        self.room.clear()
        if self._check_timer is None:
            self._check_timer = self._loop.call_later(CHECK_SECONDS, self._make_room)

    def _make_room(self) -> None:
        """Cuts lines that are too long, as long as there is no room."""
        self._check_timer = None
        if self.room.is_set():
            return
        now = self._clock()
        apart = self._pressed
        if apart:
            for endpoint, seconds in room.parked(self._destinations.values(), now):
                self.send_back(seconds, endpoint.destination, of=endpoint)
        for destination, keep in room.cuts(self._destinations.values(), self._limits, now, apart=apart):
            self._cut(destination, room.length(destination, keep), now)
        self._judge_room()

    def _cut(self, destination: Destination[T], length: int, now: float) -> None:
        """Sends back what a line holds beyond that length, each a bit later than the last."""
        if not destination.line_limit:
            log.warning("destination is slow: messages come back later", destination=destination.key)
        destination.line_limit = length
        over = [destination.line.pop() for _ in range(len(destination.line) - length)]
        for entry in reversed(over):
            self._lines.remove(entry)
            self._gone(entry)
            self._send_back(entry.delivery, destination.retry_in(now))

    def _urgent(self, destination: Destination[T]) -> None:
        """A message of priority `high` is in its line."""
        self._fast.changed(destination)
        self._slow.changed(destination)

    def _take_turns(self, destination: Destination[T], now: float) -> None:
        if not destination.in_turn and destination.may_start(self._limits.destination_bytes):
            destination.in_turn = True
            (self._fast if destination.prompt(now) else self._slow).order.append(destination)

    def _serve(self, now: float) -> None:
        fast, slow = self._fast, self._slow
        while turns := fast if fast.ready() else slow if slow.ready() else None:
            destination = turns.order.popleft()
            if not destination.may_start(self._limits.destination_bytes):
                # Its line was cleared, or its concurrency has become less in the meantime.
                destination.in_turn = False
                turns.freed()
                continue
            if (right := fast if destination.prompt(now) else slow) is not turns:
                right.order.append(destination)
                turns.freed()
                continue
            entry, sure, share = destination.line[0], destination.sure(now), turns.share
            if entry.endpoint.full:
                self._lines.park(entry)
                turns.order.appendleft(destination)
                continue
            if not share.takes(entry.size, sure=sure):
                turns.waiting[destination] = None
                continue
            destination.in_turn = False
            destination.line.popleft()
            self._lines.remove(entry)
            self.waiting -= 1
            destination.start(entry, now)
            self._lines.sort(destination)
            entry.endpoint.start(now)
            entry.share, entry.sure = share, sure
            share.add(entry.size, sure=sure)
            if turns is fast:
                self._ageing.begin(entry, now)
            self._take_turns(destination, now)
            destination.breaker.begin()
            entry.endpoint.breaker.begin()
            self._start(entry)

    def _grow_old(self, entry: Entry[T]) -> bool:
        """A delivery has been in flight for long: it counts as slow from now on, where there is capacity for it."""
        share, slow = entry.share, self._slow.share
        if not slow.takes(entry.size, sure=False):
            return False
        share.remove(entry.size, sure=entry.sure)
        slow.add(entry.size, sure=False)
        entry.share, entry.sure = slow, False
        self._fast.freed()
        self._serve(self._clock())
        return True

    def _open(self, key: str, concurrency: int | None, now: float) -> Destination[T]:
        if len(self._destinations) >= DESTINATIONS_KEPT:
            self._forget(now)
        concurrency = min(concurrency or self._limits.per_destination, self._limits.per_destination)
        destination = self._destinations[key] = Destination(key, self._new_breaker(), concurrency, now)
        return destination

    def _forget(self, now: float) -> None:
        """Makes room for new destinations: those of which little is known go first."""
        idle = [each for each in self._destinations.values() if each.idle]
        for destination in [each for each in idle if each.forgettable(now)] or idle:
            del self._destinations[destination.key]

    def _endpoint(self, destination: Destination[T], key: EndpointKey) -> Endpoint[T]:
        """The endpoint, as the one that was used last."""
        endpoint = self.endpoints.pop((destination.key, key), None)
        if endpoint is None:
            if len(self.endpoints) >= ENDPOINTS_KEPT:
                oldest = next((each for each, endpoint in self.endpoints.items() if not endpoint.inside), None)
                if oldest is not None:
                    del self.endpoints[oldest]
            endpoint = Endpoint(key, self._new_breaker(), destination, self._clock())
        # While it was idle, the destination may have been forgotten and opened again.
        endpoint.destination = destination
        self.endpoints[destination.key, key] = endpoint
        return endpoint

    def _left(self, endpoint: Endpoint[T]) -> None:
        endpoint.inside -= 1
        if endpoint.at_rest(self._clock()):
            self.endpoints.pop((endpoint.destination.key, endpoint.key), None)
