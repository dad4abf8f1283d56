"""How long a statement may take: the end of a connection that has swallowed one."""

import asyncio
from collections.abc import Awaitable, Callable

from sql.connecting import AWAY_SECONDS, PoolConnection


class Deadline:
    """Cuts a connection of the pool some time after it is reached: as soon as Postgres takes another one.

    Whatever waits for an answer on it ends with an error then. A server that takes none is away, or paused: what was
    asked is waited for, since it may well be done. But not for ever.
    """

    def __init__(
        self, connection: PoolConnection, seconds: float, *, longest: float, serves: Callable[[], Awaitable[bool]]
    ) -> None:
        self.pid = connection.get_server_pid()
        self.expired = False
        self._connection = connection
        self._serves = serves
        loop = asyncio.get_running_loop()
        self._until = loop.time() + max(seconds, longest)
        self._timer = loop.call_later(seconds, self._reached)
        self._looking: asyncio.Task[None] | None = None

    def within(self, seconds: float) -> None:
        """Reached in so many seconds, or before."""
        loop = asyncio.get_running_loop()
        if self._looking is None and self._timer.when() > loop.time() + seconds:
            self._timer.cancel()
            self._timer = loop.call_later(seconds, self._reached)

    def end(self) -> None:
        """Never reached."""
        self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _reached(self) -> None:
        self._looking = asyncio.create_task(self._wait_for_another())

    async def _wait_for_another(self) -> None:
        clock = asyncio.get_running_loop().time
        while not await self._serves() and clock() < self._until:  # noqa: ASYNC110  (it is Postgres that we wait for)
            await asyncio.sleep(AWAY_SECONDS)
        self.expired = True
        self._connection.terminate()
