"""What `tidings doctor` asks Postgres, over one connection of its own, whatever state the schema is in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self

import asyncpg
import msgspec

from sql.connecting import Connection, connect, keeps_session
from sql.loader import load_queries
from sql.maintenance import BOUNDS, PARENTS


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is and how it is set up."""

    version: int
    """180001 for 18.1."""
    version_text: str
    clock: datetime
    is_replica: bool
    is_read_only: bool
    encoding: str
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str
    autovacuum: bool
    isolation: str
    may_make_partitions: bool
    size: int
    """Bytes of the database."""


class ConnectionState(msgspec.Struct, frozen=True, kw_only=True):
    """The connections of a server, but for the one that asks."""

    room: int
    """How many there may be, without those kept for superusers."""
    used: int
    ours: int
    oldest_transaction: float
    """Seconds."""


class Outlived(msgspec.Struct, frozen=True, kw_only=True):
    """A partition that retention has not dropped."""

    name: str
    pending: bool
    """Whether its DETACH waits, or was interrupted."""
    needed: bool
    """Whether something unfinished is in it."""


class Diagnosis:
    """The questions. Everything but `server` and `connections` needs the schema."""

    def __init__(self, connection: Connection, uri: str) -> None:
        self._uri = uri
        self._connection = connection
        self._queries: Any = load_queries()

    @classmethod
    @asynccontextmanager
    async def of(cls, uri: str, *, timeout: float) -> AsyncIterator[Self]:
        """Asks the database at this address, each question for `timeout` seconds at the most."""
        connection = await connect(
            uri, timeout=timeout, command_timeout=timeout, server_settings={"application_name": "tidings doctor"}
        )
        try:
            yield cls(connection, uri)
        finally:
            await connection.close(timeout=timeout)

    async def server(self) -> ServerState:
        """How the server is."""
        return ServerState(**await self._queries.server_state(self._connection))

    async def connections(self) -> ConnectionState:
        """Who is connected."""
        return ConnectionState(**await self._queries.connection_state(self._connection))

    async def hears(self, listen_uri: str, *, timeout: float) -> bool:
        """Whether NOTIFY is heard through this address, or through the same one where it is empty."""
        uri, setting = (listen_uri, "POSTGRES_LISTEN_URI") if listen_uri else (self._uri, "POSTGRES_URI")
        options = {"application_name": "tidings doctor"}
        listener = await connect(
            uri, timeout=timeout, command_timeout=timeout, server_settings=options, setting=setting
        )
        try:
            return await keeps_session(
                listener, lambda channel: self._queries.notify(self._connection, channel=channel)
            )
        finally:
            listener.terminate()

    async def schema_version(self) -> int:
        """The version of the schema; 0 where there is none."""
        try:
            return int(await self._queries.schema_version(self._connection))
        except asyncpg.UndefinedTableError:
            return 0

    async def oldest_program(self) -> int:
        """How many migrations a program must know to run on the schema, which must be newer than this program."""
        return int(await self._queries.oldest_program(self._connection))

    async def missing_partitions(self) -> list[str]:
        """Names of the partitions that today, tomorrow, this week and the next need and that are not there."""
        return [row["name"] async for row in self._queries.missing_partitions(self._connection)]

    async def outlived_partitions(self, moment: datetime) -> list[Outlived]:
        """The partitions that hold nothing younger than the moment, and what a DETACH left behind."""
        return [
            Outlived(
                name=row["name"],
                pending=row["pending"],
                needed=not row["pending"] and await self._connection.fetchval(row["needed"]),
            )
            for parent in PARENTS
            async for row in self._queries.outlived_partitions(self._connection, parent=parent, moment=moment, **BOUNDS)
        ]

    async def gateway_statuses(self) -> list[int]:
        """The statuses with which the SMS gateway took the last 20 messages."""
        return [row["status_code"] async for row in self._queries.gateway_statuses(self._connection)]

    async def paused(self) -> str | None:
        """Why nothing is claimed; None where it is."""
        row = await self._queries.paused(self._connection)
        return None if row is None else row["paused_why"]

    async def longest_overdue(self) -> float:
        """Seconds that the message at the head of the lines has waited since it was due."""
        return float(await self._queries.longest_overdue(self._connection, queues=None, off_too=False))

    async def anybody_leads(self) -> bool:
        """Whether one of the producers leads."""
        return bool(await self._queries.anybody_leads(self._connection))

    async def under_way(self) -> bool:
        """Whether a living consumer is at work on messages now."""
        return bool(await self._queries.under_way(self._connection))
