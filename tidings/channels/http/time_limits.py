"""Time limits of requests. All are of one length and end in the order in which they began, so one timer serves them.

`asyncio.timeout` sets a timer for each, which costs a quarter of the CPU time of the request itself.
"""

import asyncio
from typing import Final, Protocol

LATEST: Final = 0.001
"""Seconds by which a timer may be early, as event loops round."""


class Expiring(Protocol):
    """What ends when its time limit has passed."""

    def expire(self) -> None: ...


class TimeLimit:
    """Of one request. When it has passed, the connection is told, which ends the wait for its answer."""

    __slots__ = ("_connection", "at", "passed")

    def __init__(self, at: float) -> None:
        self.at = at
        """When it ends, by the loop's clock."""
        self._connection: Expiring | None = None
        self.passed = False

    def holds_for(self, connection: Expiring) -> None:
        """From now on it is this connection that is cut."""
        self._connection = connection
        if self.passed:
            connection.expire()

    def end(self) -> None:
        self.passed = True
        if self._connection is not None:
            self._connection.expire()


class TimeLimits:
    """Create it inside the running event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._running: dict[TimeLimit, None] = {}
        """The oldest first."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> TimeLimit:
        """Starts a limit, which ends with `done`."""
        limit = TimeLimit(self._loop.time() + self._seconds)
        self._running[limit] = None
        if self._timer is None:
            self._timer = self._loop.call_at(limit.at, self._expire)
        return limit

    def done(self, limit: TimeLimit) -> None:
        self._running.pop(limit, None)

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time() + LATEST
        over = []
        for limit in self._running:
            if limit.at > now:
                self._timer = self._loop.call_at(limit.at, self._expire)
                break
            over.append(limit)
        for limit in over:
            del self._running[limit]
            limit.end()
