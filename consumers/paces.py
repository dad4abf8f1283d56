"""The endpoints of one consumer whose receivers have a rate: opens their lines, and counts what waits in them.

In play, in memory only: the lines (paced_line.py), each with its rate (pace.py). A crash loses them.
"""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

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
            pace = Pace(now, endpoint.accepted_rate(now))
            line = endpoint.paced = PacedLine(pace, go=self._go, send_back=self._send_back, clock=self._clock)
        return line.pace.refuse(now, began, delay)

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

    def hear(self, elsewhere: Mapping[EndpointKey, float]) -> None:
        """Notes the rates of the other consumers."""
        for endpoint in self._endpoints.values():
            if endpoint.paced is not None:
                endpoint.paced.elsewhere = elsewhere.get(endpoint.key, 0.0)

    def listed(self) -> list[Paced]:
        """Those that limit at present."""
        now = self._clock()
        return [
            Paced(*endpoint.key, endpoint.paced.pace.rate)
            for endpoint in self._endpoints.values()
            if endpoint.paced is not None and endpoint.paced.pace.limits and not endpoint.paced.over(now)
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
