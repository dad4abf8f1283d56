"""The connection pool, and the named queries that run on it.

Every query of `sql/queries/` is prepared once when a process starts, so that a wrong one stops the process there and
not in the middle of the night. A query's parameters are named; aiosql numbers them.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import asyncpg
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential, wait_random

from sql.loader import load_queries
from sql.migrate import check_version
from tidings.domain.errors import SchemaError, StoreUnavailableError, describe

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PoolConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

AWAY: Final = (
    OSError,
    asyncio.TimeoutError,
    StoreUnavailableError,
    asyncpg.InterfaceError,
    # A connection that is used in the moment between the server's farewell and its end.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
)
"""What says that Postgres does not serve at present, or wants it done again. Anything else is our mistake."""

AWAY_SECONDS: Final = 0.5
"""Pause after a store did not answer."""

COMMAND_SECONDS: Final = 30.0

LEAD_SECONDS: Final = 10
"""Postgres ends the session of a leader that asks nothing for so long: its process is paused, or is out of reach."""

LEAD_ANSWER_SECONDS: Final = 5.0
"""How long a leader waits for an answer on that session, before it takes the lead for lost."""

KEEPALIVE: Final = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": "13000",
    # A statement ends when its client is gone.
    "client_connection_check_interval": "5s",
}

KEEPALIVE_OPTIONS: Final = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 13_000}

SESSION: Final = {
    # Every statement here is a handful of index probes. Left to its statistics, which lag behind a table that fills
    # in seconds, the planner at times reads the whole table to join a hundred ids; so the ways to do that are closed.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    # Planning over all partitions costs more than running; plan once per connection.
    "plan_cache_mode": "force_generic_plan",
}


class Database:
    """A pool of connections to Postgres, and the queries."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", uri: str, *, process: str) -> None:
        self.pool = pool
        self.uri = uri
        self.process = process
        self.queries: Any = load_queries()

    @classmethod
    async def connect(cls, uri: str, *, process: str, size: int) -> "Database":
        """Opens up to `size` connections, waiting (and saying so) as long as Postgres is away.

        Raises SchemaError where the schema is not the one that this program knows.
        """
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(AWAY),
            wait=wait_exponential(multiplier=0.1, max=2) + wait_random(0, 0.1),
            before_sleep=_say_waiting,
        ):
            with attempt:
                pool = await asyncpg.create_pool(
                    uri,
                    min_size=1,
                    max_size=size,
                    timeout=5,
                    command_timeout=COMMAND_SECONDS,
                    reset=_nothing_to_reset,
                    server_settings={"application_name": f"tidings {process}", **SESSION},
                )
        database = cls(pool, uri, process=process)
        try:
            await database.check()
        except BaseException:
            await pool.close()
            raise
        return database

    async def check(self) -> None:
        """Compares the schema's version with ours, then prepares every query once."""
        async with self.pool.acquire() as connection:
            try:
                version = await self.queries.schema_version(connection)
            except asyncpg.UndefinedTableError:
                version = 0
            check_version(version)
            for name in self.queries.available_queries:
                try:
                    await connection.prepare(getattr(self.queries, name).sql)
                except asyncpg.SyntaxOrAccessError as error:
                    raise SchemaError(f"sql/queries: {name} does not fit this database: {error}") from error

    async def rows(self, name: str, /, **parameters: Any) -> list[asyncpg.Record]:
        """Runs a query that returns rows. Past aiosql's own call, which costs 0.5 µs a row and a `dir()` each time."""
        query = getattr(self.queries, name)
        arguments = [parameters[each] for each in self.queries.driver_adapter.var_sorted[name]]
        async with self.pool.acquire() as connection:
            return await connection.fetch(query.sql, *arguments)

    async def one(self, name: str, /, **parameters: Any) -> Any:
        """Runs a query that returns one row (`^`), one value (`$`) or nothing (`!`)."""
        query: Callable[..., Awaitable[Any]] = getattr(self.queries, name)
        async with self.pool.acquire() as connection:
            return await query(connection, **parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PoolConnection"]:
        """A connection inside a transaction, for the few steps that take more than one statement."""
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection

    async def unlimited_connection(self) -> "Connection":
        """A connection outside the pool whose statements may take hours, as a DETACH does that waits for a reader.

        TCP keepalive notices within 15 s, on both ends, that it is lost. The caller closes it.
        """
        connection = await self._connect(command_timeout=None, server_settings={**SESSION, **KEEPALIVE})
        _keep_alive(connection)
        return connection

    async def leading_connection(self) -> "Connection":
        """A connection outside the pool that Postgres ends when nothing is asked on it for `LEAD_SECONDS`.

        The caller closes it.
        """
        return await self._connect(
            command_timeout=LEAD_ANSWER_SECONDS, server_settings={"idle_session_timeout": f"{LEAD_SECONDS}s"}
        )

    async def listen(self, callbacks: dict[str, Callable[[str], None]]) -> "Connection":
        """A connection of its own that hears NOTIFY on each named channel, and calls with the payload."""
        connection = await self._connect(command_timeout=COMMAND_SECONDS)
        try:
            for channel, callback in callbacks.items():
                await connection.add_listener(channel, _payload_only(callback))
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _connect(
        self, *, command_timeout: float | None, server_settings: dict[str, str] | None = None
    ) -> "Connection":
        connection: Connection = await asyncpg.connect(
            self.uri,
            timeout=5,
            command_timeout=command_timeout,
            server_settings={"application_name": f"tidings {self.process}", **(server_settings or {})},
        )
        return connection

    async def close(self) -> None:
        """Closes every connection; one that does not answer is cut after 5 s."""
        try:
            await asyncio.wait_for(self.pool.close(), timeout=5)
        except TimeoutError:
            self.pool.terminate()


class Noun:
    """One noun of the database, with what can be asked and done about it."""

    def __init__(self, database: Database) -> None:
        self.database = database


async def _nothing_to_reset(_connection: Any) -> None:
    """asyncpg's own reset costs a round trip after every use; nothing here changes a session."""


async def closed(connection: "Connection") -> None:
    """Returns when the connection has ended."""
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _: ended.set())
    if not connection.is_closed():
        await ended.wait()


def _keep_alive(connection: "Connection") -> None:
    """asyncpg has no setting for it: without it, nobody notices a server that is no longer there."""
    transport: asyncio.Transport = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001
    # A socket of our own for the same connection: uvloop's lets nobody set options.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as own:
        if own.family == socket.AF_UNIX:
            return
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE_OPTIONS.items():
            # macOS does not have all of them.
            if (option := getattr(socket, name, None)) is not None:
                own.setsockopt(socket.IPPROTO_TCP, option, value)


def _payload_only(callback: Callable[[str], None]) -> Callable[[Any, int, str, object], None]:
    def heard(_connection: Any, _pid: int, _channel: str, payload: object) -> None:
        callback(str(payload))

    return heard


async def _say_waiting(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("waiting for Postgres", error=describe(error), tries=state.attempt_number)
