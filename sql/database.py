"""The connection pool, and the named queries that run on it.

Every query of `sql/queries/` is prepared once when a process starts, so that a wrong one stops the process there and
not at three in the morning. A query's parameters are named; aiosql numbers them.
"""

import asyncio
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
    asyncpg.TooManyConnectionsError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
)
"""What says that Postgres does not serve at present, or wants it done again. Anything else is our mistake."""

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

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", uri: str) -> None:
        self.pool = pool
        self.uri = uri
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
                    command_timeout=30,
                    reset=_nothing_to_reset,
                    server_settings={"application_name": f"tidings {process}", **SESSION},
                )
        database = cls(pool, uri)
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
        """Runs a query that answers rows."""
        query = getattr(self.queries, name)
        async with self.pool.acquire() as connection:
            return [row async for row in query(connection, **parameters)]

    async def one(self, name: str, /, **parameters: Any) -> Any:
        """Runs a query that answers one row (`^`), one value (`$`) or nothing (`!`)."""
        query: Callable[..., Awaitable[Any]] = getattr(self.queries, name)
        async with self.pool.acquire() as connection:
            return await query(connection, **parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PoolConnection"]:
        """A connection inside a transaction, for the few steps that take more than one statement."""
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection

    async def connection(self) -> "Connection":
        """A connection outside the pool, for what lasts as long as the connection; the caller closes it."""
        connection: Connection = await asyncpg.connect(self.uri, timeout=5, command_timeout=30)
        return connection

    async def listen(self, callbacks: dict[str, Callable[[str], None]]) -> "Connection":
        """A connection of its own that hears NOTIFY on each named channel, and calls with the payload."""
        connection = await self.connection()
        for channel, callback in callbacks.items():
            await connection.add_listener(channel, _payload_only(callback))
        return connection

    async def close(self) -> None:
        """Closes every connection; one that does not answer is cut after 5 s."""
        try:
            await asyncio.wait_for(self.pool.close(), timeout=5)
        except TimeoutError:
            self.pool.terminate()


async def _nothing_to_reset(_connection: Any) -> None:
    """asyncpg's own reset costs a round trip after every use; nothing here changes a session."""


def _payload_only(callback: Callable[[str], None]) -> Callable[[Any, int, str, object], None]:
    def heard(_connection: Any, _pid: int, _channel: str, payload: object) -> None:
        callback(str(payload))

    return heard


async def _say_waiting(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("waiting for Postgres", error=describe(error), tries=state.attempt_number)
