"""A streaming standby of the tests' Postgres, which can be promoted."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from sql.connecting import Connection, connect
from tests.eventually import eventually
from tidings.embedded import EmbeddedStores
from tidings.embedded.child_process import bound_to_parent
from tidings.embedded.cluster import PORT, STOP_SIGNALS, USER
from tidings.embedded.data_directory import DataDirectory
from tidings.embedded.installation import postgres_account, postgres_programs
from tidings.embedded.server import Server


class Standby:
    """Follows the primary until it is promoted."""

    def __init__(self, folder: Path, database: str) -> None:
        self.socket = folder / f".s.PGSQL.{PORT}"
        self.uri = f"postgresql://{USER}@/{database}?host={folder}&port={PORT}"

    async def promote(self) -> None:
        """Returns when it takes writes."""
        connection = await connect(self.uri)
        try:
            assert await connection.fetchval("SELECT pg_promote(true, 30)")
        finally:
            await connection.close()

    async def follows(self, primary: Connection) -> None:
        """Waits until it has all that was committed."""
        position = await primary.fetchval("SELECT pg_current_wal_lsn()")
        connection = await connect(self.uri)
        try:

            async def there() -> bool:
                return bool(await connection.fetchval("SELECT pg_last_wal_replay_lsn() >= $1", position))

            await eventually(there)
        finally:
            await connection.close()


@asynccontextmanager
async def standby_of(stores: EmbeddedStores, database_uri: str) -> AsyncIterator[Standby]:
    """A standby with the database in it that this address names."""
    directory = DataDirectory(stores.data_dir)
    account = postgres_account(directory.cluster)
    programs = await postgres_programs(directory.path, account)
    await _allow_replication(directory, database_uri)
    folder = directory.path / "standby"
    folder.mkdir(mode=0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    copy: list[str | Path] = [
        programs / "pg_basebackup", "-h", directory.socket_directory("postgres"), "-p", str(PORT), "-U", USER,
        "-D", folder / "data", "-R", "-c", "fast", "--no-sync",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *bound_to_parent(copy, on_parent_death=STOP_SIGNALS[0][0], account=account, directory=folder),
        stderr=subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    server = Server("standby", log=directory.logs / "standby.log", stop_signals=STOP_SIGNALS, account=account)
    options = {
        "config_file": directory.path / "postgresql.conf",
        "hba_file": directory.path / "pg_hba.conf",
        "unix_socket_directories": folder,
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    await server.run([programs / "postgres", "-D", folder / "data", *settings], directory=folder)
    standby = Standby(folder, urlsplit(database_uri).path[1:])
    try:
        await server.until_ready(partial(_answers, standby.uri))
        yield standby
    finally:
        await server.stop()
        shutil.rmtree(folder)


async def _allow_replication(directory: DataDirectory, uri: str) -> None:
    access = directory.path / "pg_hba.conf"
    access.write_text(access.read_text() + "local replication all trust\n")
    connection = await connect(uri)
    try:
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


async def _answers(uri: str) -> bool:
    try:
        await (await connect(uri)).close()
    except (OSError, asyncpg.PostgresError):
        return False
    return True
