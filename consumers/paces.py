"""The endpoints of one consumer that have a rate, learned or set: opens their lines, counts what waits in them.

In play, in memory only: the lines (paced_line.py), each with its rate (pace.py). A crash loses them.
"""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from consumers.allowance import Allowance
from consumers.destination import Destination, Endpoint, Entry, Paced
from consumers.pace import Pace
from consumers.paced_line import PacedLine
from tidings.channels.recipient import EndpointKey

T = TypeVar("T")


class Paces(Generic[T]):
    """Calls `go` with what waited and may go now, and `send_back` with what does not wait here any longer."""

    def __init__(
        self,
        endpoints: Mapping[tuple[str, EndpointKey], Endpoint[T]],
        go: Callable[[Entry[T]], None],
        send_back: Callable[[Entry[T], float], None],
        *,
        limit: int,
        clock: Callable[[], float],
    ) -> None:
        self._endpoints = endpoints
        self._on_go = go
        self._on_send_back = send_back
        self._limit = limit
        self._clock = clock
        self._waiting = 0
        self._started = clock()
        self._consumers = 1
        """Those that report, this one among them."""

    def allow(self, endpoint: Endpoint[T], per_hour: int | None, now: float, *, burst: int | None = None) -> None:
        """Sets how many messages may go to an endpoint in an hour, by all consumers together; None: no limit.

        `burst` is how many of them may go at once; None: a tenth.
        """
        line = endpoint.paced
        if per_hour is None:
            if line is not None:
                line.pace.allowance = None
            return
        if line is None:
            line = endpoint.paced = self._line(Pace(now, endpoint.accepted_rate(now)))
        if line.pace.allowance is None or line.pace.allowance.per_hour != per_hour:
            ran = now - self._started
            line.pace.allowance = Allowance(per_hour, now, ran=ran, consumers=self._consumers, burst=burst)
            line.elsewhere = line.pace.allowance.rate * (self._consumers - 1)

    def enter(self, entry: Entry[T], now: float) -> float | None:
        """Returns 0 for what goes at once, None for what waits here, otherwise the seconds to stay away."""
        line = entry.endpoint.paced
        if line is None:
            return 0.0
        wait = line.enter(entry, now, room=self._limit - self._waiting)
        if wait is None:
            self._count(entry, 1)
        return wait

    def refuse(self, endpoint: Endpoint[T], now: float, *, began: float, delay: float | None) -> bool:
        """Counts a refusal; returns whether that lowered the rate."""
        line = endpoint.paced
        if line is None or line.over(now):
            line = endpoint.paced = self._line(Pace(now, endpoint.accepted_rate(now)))
        elif line.pace.allowance is not None and line.pace.stale(now):
            fresh = Pace(now, endpoint.accepted_rate(now))
            fresh.allowance, line.pace = line.pace.allowance, fresh
        return line.pace.refuse(now, began, delay)

    def _line(self, pace: Pace) -> PacedLine[Entry[T]]:
        return PacedLine(pace, go=self._go, send_back=self._send_back, clock=self._clock)

    def take(self, destination: Destination[T], of: Endpoint[T] | None) -> list[Entry[T]]:
        """Empties the lines of a destination's endpoints, or of one, and returns what was in them."""
        lines = [
            endpoint.paced
            for endpoint in (self._endpoints.values() if of is None else [of])
            if endpoint.paced is not None and endpoint.destination is destination
        ]
        taken = [entry for line in lines for entry in line.take()]
        for entry in taken:
            self._count(entry, -1)
        return taken

    def hear(self, elsewhere: Mapping[EndpointKey, float], consumers: int) -> None:
        """Notes the rates of the other consumers, and how many there are with this one."""
        self._consumers = consumers
        for endpoint in self._endpoints.values():
            if endpoint.paced is None:
                continue
            endpoint.paced.elsewhere = elsewhere.get(endpoint.key, 0.0)
            if (allowance := endpoint.paced.pace.allowance) is not None:
                allowance.consumers = consumers
                endpoint.paced.elsewhere = max(endpoint.paced.elsewhere, allowance.rate * (consumers - 1))

    @property
    def shared(self) -> bool:
        """Whether it matters what the other consumers send."""
        return any(endpoint.paced is not None and endpoint.paced.pace.slows for endpoint in self._endpoints.values())

    def listed(self) -> list[Paced]:
        """Those that limit at present."""
        now = self._clock()
        return [
            Paced(*endpoint.key, endpoint.paced.pace.rate)
            for endpoint in self._endpoints.values()
            if endpoint.paced is not None and endpoint.paced.pace.slows and not endpoint.paced.over(now)
        ]

    def _count(self, entry: Entry[T], count: int) -> None:
        entry.endpoint.destination.paced += count
        self._waiting += count

    def _go(self, entry: Entry[T]) -> None:
        self._count(entry, -1)
        self._on_go(entry)

    def _send_back(self, entry: Entry[T], retry_in: float) -> None:
        self._count(entry, -1)
        self._on_send_back(entry, retry_in)
