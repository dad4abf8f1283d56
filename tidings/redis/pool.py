"""A pool of connections to Redis that leaves a server which no longer serves, and does not wait for the dead.

redis-py keeps a connection on which a server answers that it has become a replica, so that every command fails on it
for good. Here such an answer ends it, and so does silence; its idle siblings end with it, for they lead to the same
server. The next command connects again, to whichever server the address leads to by then.
"""

import asyncio
import builtins
import weakref
from typing import Any, Final

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import (
    ConnectionError,  # noqa: A004  (redis-py's own, which is no OSError)
    MasterDownError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,  # noqa: A004
)

_GONE: Final = (ReadOnlyError, MasterDownError)
"""LOADING is a ConnectionError in redis-py."""
_GONE_TEXTS: Final = (
    # What redis-py has names for only where it speaks with a cluster.
    "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ASK ", "TRYAGAIN",
    # A blocking command, when the primary becomes a replica.
    "UNBLOCKED",
    # A primary that has lost its replicas, where it is told to refuse writes then.
    "NOREPLICAS",
)  # fmt: skip
_IN_SCRIPT: Final = ("-READONLY", "-MASTERDOWN", "-NOREPLICAS")
"""Within the error of a script, in Redis before 7."""


class _Watched(AbstractConnection):
    """A connection of a `Pool`."""

    pool: "weakref.ref[Pool]"

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """redis-py sends within `asyncio.wait_for`, which makes a task of each command, and which before Python 3.12
        swallows a cancellation now and then: arq's worker, which is cancelled once, would go on for ever."""
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call]
        limit, self.socket_timeout = self.socket_timeout, None
        try:
            async with asyncio.timeout(limit):
                await super().send_packed_command(command, check_health)
        except builtins.TimeoutError:
            await self._leave()
            raise TimeoutError("Timeout writing to socket") from None
        finally:
            self.socket_timeout = limit

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except (TimeoutError, ConnectionError):
            await self._leave()
            raise
        except ResponseError as error:
            if not _is_gone(error):
                raise
            await self._leave()
            raise ConnectionError(f"this server does not serve: {error}") from error

    async def _leave(self) -> None:
        await self.disconnect(nowait=True)
        if (pool := self.pool()) is not None:
            await pool.disconnect_idle()


class _TcpConnection(_Watched, Connection):
    pass


class _TlsConnection(_Watched, SSLConnection):
    pass


class _UnixConnection(_Watched, UnixDomainSocketConnection):
    pass


_WATCHED: Final[dict[type[AbstractConnection], type[_Watched]]] = {
    Connection: _TcpConnection,
    SSLConnection: _TlsConnection,
    UnixDomainSocketConnection: _UnixConnection,
}


class Pool(ConnectionPool):
    """The options are those of redis-py's pool and of the connections."""

    def __init__(self, *, connection_class: type[AbstractConnection] = Connection, **options: Any) -> None:
        super().__init__(connection_class=_WATCHED[connection_class], **options)

    def make_connection(self) -> AbstractConnection:
        connection: _Watched = super().make_connection()  # type: ignore[no-untyped-call]
        connection.pool = weakref.ref(self)
        return connection

    async def get_connection(self, *_args: Any, **_options: Any) -> AbstractConnection:
        """A connected connection. redis-py connects one at a time: behind one that hangs, all others would wait."""
        connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def disconnect_idle(self) -> None:
        """Ends what is not in use, without waiting for anything."""
        for connection in list(self._available_connections):
            await connection.disconnect(nowait=True)


def _is_gone(error: ResponseError) -> bool:
    if isinstance(error, _GONE):
        return True
    text = str(error)
    return text.startswith(_GONE_TEXTS) or any(word in text for word in _IN_SCRIPT)
