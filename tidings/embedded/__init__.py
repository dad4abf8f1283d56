"""The embedded stores: a real PostgreSQL and a real Redis from wheels, in a data directory that survives restarts.

Processes in play: the one that holds `EmbeddedStores` (the supervisor, or a test), and the two servers as its children.
Other processes find them by `addresses(data_dir)`, which starts nothing. A server that dies is started again. If the
holder is killed, the servers end with it, and the next start on the directory recovers from whatever it left. May
import `tidings.settings` and `tidings.domain`.
"""

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import TidingsError
from tidings.embedded.data_directory import DataDirectory
from tidings.embedded.place import check_place
from tidings.embedded.postgres import EmbeddedPostgres, postgres_uri
from tidings.embedded.redis import EmbeddedRedis, redis_uri
from tidings.embedded.secret_keys import ensure_secret_keys

__all__ = ["Addresses", "EmbeddedStores", "addresses"]

log = structlog.get_logger(__name__)

REVIVAL_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Waits before a store that ended is started again, try by try; the last one repeats."""


class Addresses(NamedTuple):
    """Where the embedded stores of a data directory are found while they run."""

    postgres_uri: str
    redis_uri: str


def addresses(data_dir: Path) -> Addresses:
    """The addresses of the embedded stores in `data_dir`, whether they run or not."""
    directory = DataDirectory(data_dir)
    return Addresses(postgres_uri(directory), redis_uri(directory))


class EmbeddedStores:
    """Runs the stores of one data directory, from `start` to `stop`."""

    def __init__(self, data_dir: Path, *, postgres: bool = True, redis: bool = True) -> None:
        self._directory = DataDirectory(data_dir)
        self._keeps_users = postgres
        self._stores: list[EmbeddedPostgres | EmbeddedRedis] = []
        if postgres:
            self._stores.append(EmbeddedPostgres(self._directory))
        if redis:
            self._stores.append(EmbeddedRedis(self._directory))
        self._watches: list[asyncio.Task[None]] = []

    @property
    def data_dir(self) -> Path:
        return self._directory.path

    @property
    def postgres_uri(self) -> str:
        return postgres_uri(self._directory)

    @property
    def redis_uri(self) -> str:
        return redis_uri(self._directory)

    async def start(self) -> None:
        """Returns when both answer.

        Raises DataDirectoryError where the directory is in use, not ours or out of reach, and EmbeddedStoreError where
        a store is not installed or does not start; then nothing is left running.
        """
        if self._keeps_users:
            await check_place(self._directory)
        self._directory.claim()
        try:
            if self._keeps_users:
                ensure_secret_keys(self._directory.path)
            for store in self._stores:
                await store.start()
        except BaseException:
            await self.stop()
            raise
        self._watches = [asyncio.create_task(_revive(store)) for store in self._stores]

    async def stop(self) -> None:
        """Stops both cleanly and waits for their end. May be called at any time."""
        await cancel_and_wait(*self._watches)
        self._watches = []
        for store in reversed(self._stores):
            await store.stop()
        self._directory.release()


async def _revive(store: EmbeddedPostgres | EmbeddedRedis) -> None:
    while True:
        code = await store.ended()
        log.warning("embedded store ended", store=store.name, code=code, restarted=True)
        await _start_again(store)


async def _start_again(store: EmbeddedPostgres | EmbeddedRedis) -> None:
    tries = 0
    while True:
        await asyncio.sleep(REVIVAL_SECONDS[min(tries, len(REVIVAL_SECONDS) - 1)])
        tries += 1
        try:
            await store.stop()
            await store.start()
        except (TidingsError, OSError) as error:
            log.warning("embedded store not started", store=store.name, reason=str(error), attempts=tries)
        else:
            return
