"""Idle connections, kept for the next request to the same destination.

In memory: at most `per_key` for a destination and `total` in all, each for IDLE_SECONDS. The one that served last is
taken first, and the one that has been idle for longest goes first.
"""

import asyncio
from collections.abc import Hashable
from typing import Final

from tidings.channels.http.connection import Connection, State
from tidings.channels.http.transport import IDLE_SECONDS

AGE_SECONDS: Final = 50.0
"""A connection is not used for longer, so that a name that moved is followed within a minute."""
REQUESTS_LIMIT: Final = 1000
"""Requests over one connection."""
ROUNDING_SECONDS: Final = 0.01
"""By which a timer of the event loop may be early."""


class Pool:
    """Connections by destination. Create it inside the running event loop."""

    def __init__(self, *, per_key: int, total: int) -> None:
        self._per_key = per_key
        self._total = total
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Hashable, list[Connection]] = {}
        self._order: dict[Connection, None] = {}
        """All of them, the one that has been idle for longest first."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._order)

    def take(self, key: Hashable) -> Connection | None:
        """A connection that may carry a request; it is no longer the pool's."""
        now = self._loop.time()
        while connections := self._idle.get(key):
            connection = connections[-1]
            self._remove(connection)
            if now - connection.born < AGE_SECONDS and connection.reusable:
                return connection
            connection.close()
        return None

    def put(self, connection: Connection) -> None:
        """Keeps a connection whose request is over, or closes it."""
        now = connection.idle_since = self._loop.time()
        if (
            connection.requests >= REQUESTS_LIMIT
            or now - connection.born >= AGE_SECONDS
            or len(self._idle.get(connection.key, ())) >= self._per_key
            or connection.state is not State.IDLE
        ):
            connection.close()
            return
        if len(self._order) >= self._total:
            self._drop(next(iter(self._order)))
        connection.on_idle_end = self._remove
        self._idle.setdefault(connection.key, []).append(connection)
        self._order[connection] = None
        if self._timer is None:
            self._timer = self._loop.call_later(IDLE_SECONDS, self._sweep)

    def shed(self) -> bool:
        """Closes all of them; returns whether there was one."""
        some = bool(self._order)
        while self._order:
            self._drop(next(iter(self._order)))
        return some

    def close(self) -> None:
        """Closes all of them, and whatever comes back later."""
        self._per_key = 0
        self.shed()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self, connection: Connection) -> None:
        self._remove(connection)
        connection.close()

    def _remove(self, connection: Connection) -> None:
        connection.on_idle_end = None
        del self._order[connection]
        connections = self._idle[connection.key]
        if connections[-1] is connection:
            connections.pop()
        else:
            connections.remove(connection)
        if not connections:
            del self._idle[connection.key]

    def _sweep(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._order:
            oldest = next(iter(self._order))
            left = oldest.idle_since + IDLE_SECONDS - now
            if left > ROUNDING_SECONDS:
                self._timer = self._loop.call_later(left, self._sweep)
                return
            self._drop(oldest)
