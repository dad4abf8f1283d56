"""The connection pool, and the named queries that run on it.

Every query of `sql/queries/` is prepared once when a process starts, so that a wrong one stops the process there and
not in the middle of the night. A query's parameters are named; aiosql numbers them.

A statement has a limit, short for what is asked all the time. A connection on which one runs over while Postgres takes
new ones, or which says that it leads to a standby by now, is cut; those of its siblings that are idle are cut with it,
and those at work must answer soon: what has swallowed one connection has mostly swallowed all.
"""

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

import asyncpg
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential, wait_random

from sql import server_clock
from sql.connecting import (
    AWAY,
    AWAY_SECONDS,
    HOST_SECONDS,
    SESSION,
    SINGLE_SECONDS,
    Connection,
    PoolConnection,
    connect,
    keeps_session,
)
from sql.deadlines import Deadline
from sql.loader import load_queries
from sql.migrate import check_schema
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import SchemaError, StoreRefusedError, describe

__all__ = ["AWAY", "AWAY_SECONDS", "Connection", "PoolConnection"]

log = structlog.get_logger(__name__)

T = TypeVar("T")

COMMAND_SECONDS: Final = 30.0
"""The longest that any statement may take."""

PROMPT_SECONDS: Final = 5.0
"""The same for all that touch a handful of rows, where Postgres takes new connections meanwhile; twice as long at each
repetition of one that ran over, since a server that is merely slow would never get through with it otherwise. Leases
(10 s, renewed every 3 s) outlive one renewal that runs over."""

SUSPECT_SECONDS: Final = 2.0
"""How long a statement may still take once another connection of the pool has turned out to be dead."""

FREE_SECONDS: Final = 10.0
"""The longest wait for a connection of the pool."""

UNHURRIED: Final = frozenset({
    "cancel_at_endpoint", "cancel_next", "cancel_suppressed", "cancel_these", "count_held", "endpoint_traffic",
    "expire", "find_mail_parts", "find_mails",
    "forget_audit", "forget_events", "forget_idempotency_keys", "forget_receipts", "forget_sessions",
    "heal_orphans", "insert_mails", "join_receipts", "list_attempts",
    "list_audit", "list_ended_to", "list_few_sent_sms", "list_held", "list_in_queue", "list_messages",
    "list_not_sent", "list_of_channel", "list_sent_sms", "list_suppressions", "list_under_way", "list_user_audit",
    "list_user_messages", "list_user_sent_sms", "list_user_suppressions", "list_users", "list_waiting",
    "list_waiting_to", "longest_overdue", "make_partitions", "outlived_partitions", "queue_depths", "reclaim",
    "reseal_secrets", "retry_these", "sealed_secrets", "send_again", "shares_of", "wake_endpoint", "wake_held",
})  # fmt: skip
"""Queries that read or change as many rows as there happen to be, or carry as many bytes."""

PROBE_SECONDS: Final = 5.0
"""How often a connection that only listens is asked whether it still leads somewhere, and how long that may take."""

LEAD_SECONDS: Final = 10
"""Postgres ends the session of a leader that asks nothing for so long: its process is paused, or is out of reach."""

LEAD_ANSWER_SECONDS: Final = 5.0
"""How long a leader waits for an answer on that session, before it takes the lead for lost."""

UNLIMITED: Final = {"statement_timeout": "0", "lock_timeout": "0", "idle_session_timeout": "0"}


_joined: ContextVar["tuple[Database, PoolConnection] | None"] = ContextVar("joined", default=None)
"""The transaction that this task is in: see `Database.together`."""


class Database:
    """A pool of connections to Postgres, and the queries."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        uri: str,
        *,
        process: str,
        connections: "weakref.WeakSet[Connection] | None" = None,
    ) -> None:
        self.pool = pool
        self._connections = weakref.WeakSet() if connections is None else connections
        """Of the pool."""
        self.uri = uri
        self.direct_uri = uri
        """For connections outside the pool, which need a session of their own."""
        self.process = process
        self.patience = COMMAND_SECONDS
        """The longest that a statement waits for a server that takes no new connection either."""
        self.queries: Any = load_queries()
        self._deadlines: set[Deadline] = set()
        """Of the connections of the pool that are at work."""
        self._limits: dict[str, float] = {}
        """Of queries that ran over."""

    @classmethod
    async def connect(cls, uri: str, *, process: str, size: int, direct_uri: str = "") -> "Database":
        """Opens up to `size` connections, waiting (and saying so) as long as Postgres is away.

        `direct_uri` leads to the same Postgres past a pooler.

        Raises SchemaError where the schema does not fit this program, and StoreRefusedError where waiting would not
        help; a refusal that comes later, as while a password is being changed, is waited for like any other.
        """
        connections: weakref.WeakSet[Connection] = weakref.WeakSet()

        async def connect_and_keep(*uri: Any, **options: Any) -> Connection:
            connections.add(connection := await connect(*uri, **options))
            return connection

        async for attempt in AsyncRetrying(
            retry=retry_if_exception(worth_waiting),
            wait=wait_exponential(multiplier=0.1, max=2) + wait_random(0, 0.1),
            before_sleep=_say_waiting,
        ):
            with attempt:
                pool = await asyncpg.create_pool(
                    uri,
                    # Rejected: a connection that is always there. asyncpg makes a lost one again by itself, and logs a
                    # traceback each time that it cannot.
                    min_size=0,
                    max_size=size,
                    connect=connect_and_keep,
                    command_timeout=COMMAND_SECONDS,
                    reset=_nothing_to_reset,
                    server_settings={"application_name": f"tidings {process}", **SESSION},
                )
                database = cls(pool, uri, process=process, connections=connections)
                database.direct_uri = direct_uri or uri
                try:
                    await database.check()
                except BaseException:
                    pool.terminate()
                    raise
        return database

    async def check(self) -> None:
        """Compares the schema's version with ours, then prepares every query once; tries the other address."""
        if self.direct_uri != self.uri:
            (await self._connect(self.direct_uri, command_timeout=COMMAND_SECONDS)).terminate()
        async with self.pool.acquire() as connection:
            try:
                await check_schema(connection)
            except asyncpg.InsufficientPrivilegeError as error:
                raise StoreRefusedError(f"POSTGRES_URI: this role may not read the tables ({error})") from error
            await server_clock.ask(self.queries, connection)
            lost = [
                name for name, value in SESSION.items() if await self.queries.setting(connection, name=name) != value
            ]
            if lost:
                # Without them the planner at times reads whole tables.
                log.warning("settings are lost on the way to Postgres: see docs/deployment.md, pgbouncer", lost=lost)
            for name in self.queries.available_queries:
                try:
                    await connection.prepare(getattr(self.queries, name).sql)
                except asyncpg.SyntaxOrAccessError as error:
                    raise SchemaError(f"sql/queries: {name} does not fit this database: {error}") from error

    async def rows(self, name: str, /, **parameters: Any) -> list[asyncpg.Record]:
        """Runs a query that returns rows. Past aiosql's own call, which costs 0.5 µs a row and a `dir()` each time."""
        query = getattr(self.queries, name)
        arguments = [parameters[each] for each in self.queries.driver_adapter.var_sorted[name]]
        asked = time.monotonic()
        rows = await self._ask(name, lambda connection: connection.fetch(query.sql, *arguments))
        if name in server_clock.TELLING:
            server_clock.hear(rows, asked=asked)
        return rows

    async def one(self, name: str, /, **parameters: Any) -> Any:
        """Runs a query that returns one row (`^`), one value (`$`) or nothing (`!`)."""
        query: Callable[..., Awaitable[Any]] = getattr(self.queries, name)
        return await self._ask(name, lambda connection: query(connection, **parameters))

    @asynccontextmanager
    async def transaction(self, *, seconds: float = PROMPT_SECONDS) -> AsyncIterator[PoolConnection]:
        """A connection inside a transaction, for the few steps that take more than one statement."""
        async with (
            self.pool.acquire(timeout=FREE_SECONDS) as connection,
            self._limited(connection, seconds),
            connection.transaction(),
        ):
            yield connection

    @asynccontextmanager
    async def together(self, *, unhurried: bool = False) -> AsyncIterator[None]:
        """A block in which all that its task asks is one transaction, one question after the other.

        For a change and its entry in the audit log. No network, no lock and no long work may be waited for in it.
        `unhurried`: one of the questions is.
        """
        async with self.transaction(seconds=COMMAND_SECONDS if unhurried else PROMPT_SECONDS) as connection:
            before = _joined.set((self, connection))
            try:
                yield
            finally:
                _joined.reset(before)

    def _joined_connection(self) -> "PoolConnection | None":
        joined = _joined.get()
        return joined[1] if joined is not None and joined[0] is self else None

    async def _ask(self, name: str, ask: Callable[[PoolConnection], Awaitable[T]]) -> T:
        if (joined := self._joined_connection()) is not None:
            return await ask(joined)
        seconds = self._limits.get(name) or (COMMAND_SECONDS if name in UNHURRIED else PROMPT_SECONDS)
        async with self.pool.acquire(timeout=FREE_SECONDS) as connection:
            try:
                async with self._limited(connection, seconds):
                    await server_clock.keep(self.queries, connection)
                    answer = await ask(connection)
            except TimeoutError:
                self._limits[name] = min(2 * seconds, COMMAND_SECONDS)
                raise
        self._limits.pop(name, None)
        return answer

    @asynccontextmanager
    async def _limited(self, connection: PoolConnection, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError where what is done on the connection takes longer; it is cut then."""
        deadline = Deadline(connection, seconds, longest=self.patience, serves=self._serves)
        self._deadlines.add(deadline)
        try:
            yield
        except asyncio.CancelledError:
            # Rejected: to ask the server to cancel it, as asyncpg does. That takes a connection too, and its time.
            connection.terminate()
            raise
        except asyncpg.ReadOnlySQLTransactionError as error:
            connection.terminate()
            self._suspect_others(describe(error))
            raise
        except AWAY as error:
            if deadline.expired:
                self._suspect_others(f"no answer within {seconds:.0f} s")
                raise TimeoutError("Postgres gave no answer in time") from error
            raise
        finally:
            deadline.end()
            self._deadlines.remove(deadline)

    async def _serves(self) -> bool:
        """Whether Postgres takes a connection, or says at least why not."""
        try:
            connection = await self._connect(self.uri, command_timeout=HOST_SECONDS, timeout=HOST_SECONDS)
        except (asyncpg.PostgresError, StoreRefusedError):
            return True
        except AWAY:
            return False
        connection.terminate()
        return True

    def _suspect_others(self, why: str) -> None:
        """A connection of the pool was cut: ends those that are idle, and gives those at work little time."""
        log.warning("connections to Postgres are cut", why=why)
        for deadline in self._deadlines:
            deadline.within(SUSPECT_SECONDS)
        busy = {deadline.pid for deadline in self._deadlines}
        for connection in [each for each in self._connections if not each.is_closed()]:
            if connection.get_server_pid() not in busy:
                connection.terminate()

    async def unlimited_connection(self) -> "Connection":
        """A connection outside the pool whose statements may take hours, as a DETACH does that waits for a reader.

        TCP keepalive notices within 15 s, on both ends, that it is lost. The caller closes it.
        """
        return await self._connect(self.direct_uri, command_timeout=None, server_settings={**SESSION, **UNLIMITED})

    async def leading_connection(self) -> "Connection":
        """A connection outside the pool that Postgres ends when nothing is asked on it for `LEAD_SECONDS`.

        The caller closes it.
        """
        connection = await self._connect(
            self.direct_uri,
            command_timeout=LEAD_ANSWER_SECONDS,
            server_settings={"idle_session_timeout": f"{LEAD_SECONDS}s"},
        )
        try:
            if not await keeps_session(connection, self.notify):
                # In transaction mode a pooler leaves the session to us as long as a transaction is open.
                await connection.transaction().start()
                await self.queries.end_if_idle(connection, timeout=f"{LEAD_SECONDS}s")
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def notify(self, channel: str) -> None:
        """A NOTIFY, for whoever tries whether it is heard."""
        await self.one("notify", channel=channel)

    async def listen(self, callbacks: dict[str, Callable[[str], None]]) -> "Connection":
        """A connection of its own that hears NOTIFY on each named channel, and calls with the payload."""
        connection = await self._connect(self.direct_uri, command_timeout=COMMAND_SECONDS)
        try:
            for channel, callback in callbacks.items():
                await connection.add_listener(channel, _payload_only(callback))
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def lost(self, connection: Connection, *, every: float = PROBE_SECONDS, answer: float = PROBE_SECONDS) -> str:
        """Pings on a connection on which nothing else runs; returns why it has ended or answers no more."""
        ended = asyncio.create_task(closed(connection))
        try:
            while True:
                await asyncio.wait((ended,), timeout=every)
                async with asyncio.timeout(answer):
                    await server_clock.ask(self.queries, connection)
        except AWAY as error:
            if isinstance(error, TimeoutError):
                self._suspect_others("a connection that only listens has no answer")
            return describe(error)
        finally:
            await cancel_and_wait(ended)

    async def _connect(
        self,
        uri: str,
        *,
        command_timeout: float | None,
        timeout: float = SINGLE_SECONDS,
        server_settings: dict[str, str] | None = None,
    ) -> "Connection":
        return await connect(
            uri,
            timeout=timeout,
            command_timeout=command_timeout,
            setting="POSTGRES_URI" if uri == self.uri else "POSTGRES_LISTEN_URI",
            server_settings={"application_name": f"tidings {self.process}", **(server_settings or {})},
        )

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


def worth_waiting(error: BaseException) -> bool:
    """Whether a start waits for Postgres after this error."""
    return isinstance(error, AWAY) and not isinstance(error, StoreRefusedError)


async def _nothing_to_reset(_connection: Any) -> None:
    """asyncpg's own reset costs a round trip after every use; nothing here changes a session."""


async def closed(connection: "Connection") -> None:
    """Returns when the connection has ended."""
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _: ended.set())
    if not connection.is_closed():
        await ended.wait()


def _payload_only(callback: Callable[[str], None]) -> Callable[[Any, int, str, object], None]:
    def heard(_connection: Any, _pid: int, _channel: str, payload: object) -> None:
        callback(str(payload))

    return heard


async def _say_waiting(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("waiting for Postgres", error=describe(error), tries=state.attempt_number)
