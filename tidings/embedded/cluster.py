"""What a start and an upgrade do with a PostgreSQL cluster: make one, free it of what a crash left, see it answer."""

import os
import signal
from pathlib import Path
from typing import Final

import asyncpg

from tidings.domain.errors import DataDirectoryError, EmbeddedStoreError
from tidings.embedded import orphan
from tidings.embedded.child_process import Account
from tidings.embedded.server import Server

DATABASE: Final = "tidings"
USER: Final = "tidings"
PORT: Final = 5432
"""Part of the socket's name only."""

STOP_SIGNALS: Final = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 20.0))
"""Fast shutdown: sessions end, a checkpoint is written. Then immediate shutdown: the next start recovers."""


async def init_cluster(programs: Path, folder: Path, account: Account | None, *options: str, logs: Path) -> None:
    """Makes a cluster in an empty folder of the account's. Raises EmbeddedStoreError."""
    initdb = Server("initdb", log=logs / "initdb.log", stop_signals=((signal.SIGTERM, 5.0),), account=account)
    try:
        await initdb.run(
            [
                programs / "initdb",
                f"--pgdata={folder}",
                f"--username={USER}",
                "--auth=trust",
                "--encoding=UTF8",
                # The same order of text on every machine and with every C library.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
                *options,
            ],
            directory=folder,
        )
        if await initdb.ended() != 0:
            raise EmbeddedStoreError(f"PostgreSQL cannot set up its data directory: {initdb.last_line()}")
    finally:
        await initdb.stop()


async def clear_the_way(cluster: Path, sockets: Path) -> None:
    """Stops a postmaster that outlived its parent, and drops pid files whose id belongs to another process by now.

    PostgreSQL itself copes with the id of a process that is gone, but takes any living process of its account for
    another postmaster; after the restart of a container the same small ids come again. Shared memory that is still
    in use it finds without the file.
    """
    pid_file = cluster / "postmaster.pid"
    left_over = orphan.find(pid_file, programs=["postgres"], path=cluster)
    if left_over and not await orphan.stop(left_over, (*STOP_SIGNALS, (signal.SIGKILL, 10.0))):
        raise DataDirectoryError(f"{cluster}: PostgreSQL (process {left_over.pid}) runs there and does not stop")
    pid_file.unlink(missing_ok=True)
    (sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


async def is_ready(sockets: Path) -> bool:
    """True when the server takes connections; makes the database where it is missing."""
    try:
        connection = await asyncpg.connect(
            host=str(sockets), port=PORT, user=USER, database="postgres", password="", timeout=5
        )
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    try:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", DATABASE):
            await connection.execute(f'CREATE DATABASE "{DATABASE}"')
    finally:
        await connection.close()
    return True


def sync_directory(path: Path) -> None:
    """Makes a rename in the directory survive a power cut."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
