"""Postgres and Redis of the chaos suite's own, for its tests to kill, pause and start again.

Nothing revives them by itself: what a test ends stays away until the test starts it. Only processes started here are
ever signalled.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import msgspec
from redis.asyncio import Redis

from sql.migrate import migrate
from tests.processes import alive, until
from tidings.embedded.data_directory import DataDirectory
from tidings.embedded.postgres import EmbeddedPostgres, postgres_uri
from tidings.embedded.redis import EmbeddedRedis, redis_uri
from tidings.settings import Settings

TEMPLATE: Final = "template_for_rounds"


@contextmanager
def folder_for_stores() -> Iterator[Path]:
    """A fresh folder that Postgres can reach, gone after the block."""
    # Not under pytest's own temporary folder, which only its user may enter: Postgres may run as another account.
    folder = Path(tempfile.mkdtemp(prefix="tidings-chaos-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class KillableStore:
    """One store's server: its main process and, for Postgres, the children of that."""

    def __init__(self, store: EmbeddedPostgres | EmbeddedRedis) -> None:
        self._store = store
        self._paused: list[int] = []

    @property
    def pid(self) -> int:
        server = self._store._server
        assert server is not None
        assert server._process is not None
        return server._process.pid

    async def start(self) -> None:
        """Returns when it answers."""
        await self._store.start()

    async def stop(self) -> None:
        """Ends it cleanly (Postgres: fast shutdown); does nothing where it does not run."""
        self.resume()
        await self._store.stop()

    async def kill(self, signum: signal.Signals) -> None:
        """Sends the signal to the main process, and returns when all of its processes are gone."""
        family = self._family()
        os.kill(self.pid, signum)
        await self._store.ended()
        await until(lambda: not any(map(alive, family)))
        await self._store.stop()

    def pause(self) -> None:
        """Stops every process of the store in its tracks; connections stay open and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)
        # The main process makes no new ones from here on.
        self._paused = self._family()
        for pid in self._paused:
            _signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on; does nothing where it is not paused."""
        for pid in self._paused:
            _signal(pid, signal.SIGCONT)
        self._paused = []

    def _family(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]


class ChaosStores:
    """Both stores in one directory, and a fresh database for each round."""

    def __init__(self, folder: Path) -> None:
        self.directory = DataDirectory(folder)
        self.postgres = KillableStore(EmbeddedPostgres(self.directory))
        self.redis = KillableStore(EmbeddedRedis(self.directory))
        self.redis_uri = redis_uri(self.directory)

    async def start(self) -> None:
        self.directory.claim()
        await asyncio.gather(self.postgres.start(), self.redis.start())
        await self._administer(f"CREATE DATABASE {TEMPLATE}")
        await migrate(self._uri(TEMPLATE))

    async def stop(self) -> None:
        await asyncio.gather(self.postgres.stop(), self.redis.stop())
        self.directory.release()

    @asynccontextmanager
    async def fresh(self, settings: Settings) -> AsyncIterator[Settings]:
        """These settings on a migrated database of their own and an empty Redis; afterwards both stores run again."""
        await self.as_found()
        name = f"round_{uuid4().hex}"
        await self._administer(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        client = Redis.from_url(self.redis_uri)
        await client.flushall()
        await client.aclose()
        try:
            yield msgspec.structs.replace(
                settings, postgres_uri=self._uri(name), redis_uri=self.redis_uri, data_dir=self.directory.path
            )
        finally:
            await self.as_found()
            await self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    async def as_found(self) -> None:
        """Whatever a round did to the stores, they run again."""
        for store in (self.postgres, self.redis):
            store.resume()
            try:
                running = alive(store.pid)
            except AssertionError:
                running = False
            if not running:
                await store.stop()
                await store.start()

    def _uri(self, database: str) -> str:
        return postgres_uri(self.directory, database)

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self._uri("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _signal(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)
