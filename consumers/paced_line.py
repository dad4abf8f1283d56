"""The line of one endpoint whose receiver has a rate: lets messages go one by one, and says when the others come again.

In play, in memory only: the rate (consumers/pace.py), the messages that wait for it, and one timer while some do. A
crash loses them; their batches' leases run out. The line holds what goes in the next `LINE_SECONDS`. What finds no
room waits in Postgres: due times follow one another a little faster than the rate, so that a backlog of any length
neither comes back all at once nor lets the line run dry.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from consumers.pace import Pace

LINE_SECONDS: Final = 10.0
LONGEST_STOP: Final = 60.0
"""Seconds without a message after which nothing waits in line."""
AHEAD: Final = 1.5
"""Times the rate at which messages come again: what is too early is sent back once more."""
SHORTEST_AWAY: Final = 1.0
LONGEST_AWAY: Final = 900.0
"""Seconds, after a pause that the receiver asks for. Shorter while the rate is new, since it may be far off."""

T = TypeVar("T")


class PacedLine(Generic[T]):
    """Calls `go` with each message when it may go, and `send_back` with what waits when there is a long pause."""

    def __init__(
        self,
        pace: Pace,
        *,
        go: Callable[[T], None],
        send_back: Callable[[T, float], None],
        clock: Callable[[], float],
    ) -> None:
        self.pace = pace
        self._go = go
        self._send_back = send_back
        self._clock = clock
        self._line: deque[T] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._returns_at = 0.0
        self.elsewhere = 0.0
        """Messages a second that the other consumers send there: what is sent back comes to any of them."""

    def __len__(self) -> int:
        return len(self._line)

    def over(self, now: float) -> bool:
        """Whether it may be forgotten."""
        return not self._line and self.pace.over(now)

    def enter(self, message: T, now: float, *, room: int) -> float | None:
        """Returns 0 for a message that goes at once, None for one that waits here, otherwise the seconds to stay away.

        `room` is how many more may wait in all such lines; one of them takes half of that at most.
        """
        wait = self.pace.wait(now)
        if not (wait or self._line):
            self.pace.go(now)
            return 0.0
        most = min(max(int(self.pace.rate * LINE_SECONDS), 1), (room + len(self._line) + 1) // 2)
        if wait > LONGEST_STOP or len(self._line) >= most:
            return self.retry_in(now)
        self._line.append(message)
        if self._timer is None:
            self._set_timer(wait)
        return None

    def take(self) -> list[T]:
        """Empties the line and returns what was in it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        taken = list(self._line)
        self._line.clear()
        return taken

    def retry_in(self, now: float) -> float:
        """Seconds until one more message that finds no room should come again."""
        rate = self.pace.rate
        first = now + max(self.pace.paused(now), len(self._line) / rate / 2, SHORTEST_AWAY)
        self._returns_at = max(self._returns_at, first) + 1 / (AHEAD * (rate + self.elsewhere))
        longest = min(self.pace.known_seconds, LONGEST_AWAY)
        if self._returns_at - first > longest:
            self._returns_at = first + longest / 2
        return self._returns_at - now

    def _set_timer(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now = self._clock()
        while self._line and not self.pace.wait(now):
            self.pace.go(now)
            self._go(self._line.popleft())
        if not self._line:
            return
        wait = self.pace.wait(now)
        if wait <= LONGEST_STOP:
            if self._timer is None:
                self._set_timer(wait)
            return
        for message in self.take():
            self._send_back(message, self.retry_in(now))
