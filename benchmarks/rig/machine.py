"""The machine of a run: embedded stores with their durable settings, a receiver, and a database for each measurement.

Everything lives in a temporary folder and on the loopback, and ends with this process, however that ends.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import aiosql
import asyncpg
import psutil
from redis.asyncio import Redis

from benchmarks.rig.gateway import Gateway
from sql.migrate import migrate
from tidings.domain.timestamps import utc_now
from tidings.embedded import EmbeddedStores

TEMPLATE: Final = "template_for_benchmarks"
PORTS: Final = 8
"""Ports of the receiver; figures that need one destination use the first."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Database:
    """A database of one measurement's own, with the newest schema, and the queries that fill it."""

    def __init__(self, uri: str, connection: Connection, queries: Any) -> None:
        self.uri = uri
        self.connection = connection
        self._queries = queries

    async def run(self, name: str, /, **parameters: Any) -> Any:
        """Runs a query of `rows.sql`."""
        return await getattr(self._queries, name)(self.connection, **parameters)

    async def rows(self, name: str, /, **parameters: Any) -> list[Any]:
        """Runs one that answers rows."""
        return [row async for row in getattr(self._queries, name)(self.connection, **parameters)]

    async def put_waiting(
        self,
        count: int,
        *,
        channel: str = "sms",
        recipients: Sequence[str] = ("+4915112345678",),
        due_at: datetime | None = None,
        spread: timedelta = timedelta(0),
    ) -> None:
        """Messages numbered from 0, due now unless said otherwise; nobody is told of them."""
        await self.run(
            "put_waiting",
            count=count,
            channel=channel,
            recipients=list(recipients),
            due_at=due_at or utc_now(),
            spread=spread,
        )


class Machine:
    """Both stores and a receiver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores = EmbeddedStores(folder / "data")
        self._queries: Any = aiosql.from_path(Path(__file__).with_name("rows.sql"), "asyncpg")
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.stores.start()
        self._exits.push_async_callback(self.stores.stop)
        self.gateway = await Gateway.start(self.folder, ports=PORTS)
        self._exits.push_async_callback(self.gateway.stop)
        self.redis: Redis = Redis.from_url(self.stores.redis_uri)
        self._exits.push_async_callback(self.redis.aclose)
        await self._administer(f"CREATE DATABASE {TEMPLATE}")
        await migrate(self._uri(TEMPLATE))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    @property
    def postgres_log(self) -> Path:
        return self.stores.data_dir / "log" / "postgres.log"

    def store_process(self, name: str) -> psutil.Process:
        """The server process of `postgres` or `valkey-server`."""
        return next(child for child in psutil.Process().children() if child.name() == name)

    async def fresh(self, exits: AsyncExitStack) -> Database:
        """An empty database until `exits` closes, an empty Redis, a receiver that has counted nothing."""
        name = f"bench_{uuid4().hex}"
        await self._administer(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        exits.push_async_callback(self._administer, f"DROP DATABASE {name} WITH (FORCE)")
        connection: Connection = await asyncpg.connect(self._uri(name))
        exits.push_async_callback(connection.close)
        await self.redis.flushall()
        await self.gateway.reset()
        return Database(self._uri(name), connection, self._queries)

    def _uri(self, database: str) -> str:
        return urlsplit(self.stores.postgres_uri)._replace(path=f"/{database}").geturl()

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self._uri("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def make_folder() -> Path:
    """A folder for a run; Postgres, which may run as another account, can pass through it."""
    folder = Path(tempfile.mkdtemp(prefix="tidings-bench-"))
    folder.chmod(0o711)
    return folder


async def remove_folder(folder: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
