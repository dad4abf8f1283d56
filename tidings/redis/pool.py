"""A pool of connections to Redis that leaves a server which no longer serves, and does not wait for the dead.

redis-py keeps a connection on which a server answers that it has become a replica, so that every command fails on it
for good. Here such an answer ends it, and so does silence; its idle siblings end with it, for they lead to the same
server. The next command connects again, to whichever server the address leads to by then.

Where the address does not say which server is the primary (tidings/redis/primary.py), each connection asks first. A
primary that was replaced without its connections noticing is left within `ASK_AGAIN_SECONDS` and a command.
"""

import asyncio
import builtins
import weakref
from collections.abc import Sequence
from typing import Any, Final

import structlog
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
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
)

from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import describe
from tidings.redis.prefix import prefixed
from tidings.redis.primary import Address, Primary

log = structlog.get_logger(__name__)

ASK_AGAIN_SECONDS: Final = 2.0
"""How often it is asked whether the primary is another one, while there are commands."""

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
    prefix = ""
    """Before keys and channels."""
    left = False
    """Whether the primary is another server by now."""

    async def connect(self) -> None:
        if not self.is_connected:
            self.left = False
            if (pool := self.pool()) is not None and pool.primary is not None:
                address = await pool.find(pool.primary)
                self.lead_to(address)
                await super().connect()  # type: ignore[no-untyped-call]
                self.left = not pool.leads_to(address)
                return
        await super().connect()  # type: ignore[no-untyped-call]

    def lead_to(self, address: Address) -> None:
        raise NotImplementedError("it has a path")

    def pack_command(self, *args: Any) -> list[bytes]:
        command: Sequence[Any] = prefixed(args, self.prefix) if self.prefix else args
        packed: list[bytes] = super().pack_command(*command)
        return packed

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """redis-py sends within `asyncio.wait_for`, which makes a task of each command, and which before Python 3.12
        swallows a cancellation now and then: arq's worker, which is cancelled once, would go on for ever."""
        if self.left:
            await self.disconnect(nowait=True)
            raise ConnectionError("the primary is another server by now")
        if not self.is_connected:
            await self.connect()
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
    def lead_to(self, address: Address) -> None:
        self.host, self.port = address


class _TlsConnection(_Watched, SSLConnection):
    def lead_to(self, address: Address) -> None:
        self.host, self.port = address


class _UnixConnection(_Watched, UnixDomainSocketConnection):
    pass


_WATCHED: Final[dict[type[AbstractConnection], type[_Watched]]] = {
    Connection: _TcpConnection,
    SSLConnection: _TlsConnection,
    UnixDomainSocketConnection: _UnixConnection,
}


class Pool(ConnectionPool):
    """The options are those of redis-py's pool and of the connections.

    `primary` is for addresses that do not say where it is; `prefix` stands before every key and channel.
    """

    def __init__(
        self,
        *,
        connection_class: type[AbstractConnection] = Connection,
        primary: Primary | None = None,
        prefix: str = "",
        **options: Any,
    ) -> None:
        super().__init__(connection_class=_WATCHED[connection_class], **options)
        self.primary = primary
        self.prefix = prefix
        self._address: Address | None = None
        """Of the primary, as it was found last."""
        self._asked = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._unknown = False

    def make_connection(self) -> AbstractConnection:
        connection: _Watched = super().make_connection()  # type: ignore[no-untyped-call]
        connection.pool = weakref.ref(self)
        connection.prefix = self.prefix
        return connection

    async def get_connection(self, *_args: Any, **_options: Any) -> AbstractConnection:
        """A connected connection. redis-py connects one at a time: behind one that hangs, all others would wait."""
        if self.primary is not None and self.primary.may_move_unseen:
            self._ask_again(self.primary)
        connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        if isinstance(connection, _Watched) and connection.left:
            await connection.disconnect(nowait=True)
        await super().release(connection)

    async def find(self, primary: Primary) -> Address:
        """Where it is now. Connections to the one before are left. Raises redis's ConnectionError."""
        address = await primary.find()
        self._asked = asyncio.get_running_loop().time()
        self._unknown = False
        if self._address != address:
            if self._address is not None:
                log.info("the primary is another Redis", address=str(address), before=str(self._address))
            self._address = address
            for connection in self._in_use_connections:
                if connection.is_connected and isinstance(connection, _Watched):
                    connection.left = True
            await self.disconnect_idle()
        return address

    def leads_to(self, address: Address) -> bool:
        """Whether the primary is still this one."""
        return address == self._address

    async def disconnect(self, inuse_connections: bool = True) -> None:
        if self._asking is not None:
            await cancel_and_wait(self._asking)
        await super().disconnect(inuse_connections)

    def _ask_again(self, primary: Primary) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._asked > ASK_AGAIN_SECONDS and (self._asking is None or self._asking.done()):
            self._asked = now
            self._asking = asyncio.create_task(self._leave_if_moved(primary))

    async def _leave_if_moved(self, primary: Primary) -> None:
        try:
            await self.find(primary)
        except (RedisError, OSError) as error:
            if not self._unknown:
                # The connections that there are go on.
                log.warning("nobody says which Redis is the primary", error=describe(error))
                self._unknown = True

    async def disconnect_idle(self) -> None:
        """Ends what is not in use, without waiting for anything."""
        for connection in list(self._available_connections):
            await connection.disconnect(nowait=True)


def _is_gone(error: ResponseError) -> bool:
    if isinstance(error, _GONE):
        return True
    text = str(error)
    return text.startswith(_GONE_TEXTS) or any(word in text for word in _IN_SCRIPT)
