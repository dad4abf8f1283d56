"""The embedded PostgreSQL 18: made at first start, on a Unix socket in a private directory, durable.

Processes and files in play: `initdb` once, then the postmaster (run as another account where we are root) on
`<data_dir>/postgres`, its socket in `run/postgres`. Who can open that directory (mode 0700: the account it runs as,
and root) is let in as superuser without a password; there is no TCP port.

A cluster of an older PostgreSQL is upgraded before it is started (`embedded/upgrade.py`).

After a crash: `initdb` works in a folder under a temporary name, which is renamed when it is whole, so half a cluster
is never started. A postmaster that lived on is found through `postmaster.pid`, stopped by fast shutdown, and started
again; PostgreSQL recovers from its write-ahead log.
"""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tidings.embedded.child_process import Account
from tidings.embedded.cluster import (
    DATABASE,
    PORT,
    STOP_SIGNALS,
    USER,
    clear_the_way,
    init_cluster,
    is_ready,
    sync_directory,
)
from tidings.embedded.data_directory import DataDirectory, own_private_directory
from tidings.embedded.installation import postgres_account, postgres_programs
from tidings.embedded.server import Server
from tidings.embedded.upgrade import Upgrade, settle

CONFIGURATION: Final = """\
# Written at each start; changes belong into ALTER SYSTEM, which wins over this file.

# Reachable through the socket alone.
listen_addresses = ''
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700

# A commit that was confirmed survives a power cut. These are the defaults, said aloud: a message that the API has
# accepted is only as safe as they are.
fsync = on
synchronous_commit = on
full_page_writes = on

# A small machine that runs everything else too.
max_connections = 200
shared_buffers = 128MB
work_mem = 8MB
maintenance_work_mem = 64MB

# The write-ahead log stays near 1 GB whatever happens; nothing archives or replicates it. Checkpoints further apart
# write fewer full pages.
max_wal_size = 1GB
checkpoint_timeout = 15min
max_slot_wal_keep_size = 1GB
wal_compression = on

# Every query is short and finds its rows through an index; parallel workers would only need /dev/shm, which is small in
# containers, and compilation would cost more than it saves.
max_parallel_workers_per_gather = 0
jit = off

# A queue's rows are updated a few times each and soon: clean up often, a little at a time.
autovacuum_naptime = 15s

log_timezone = 'UTC'
timezone = 'UTC'
log_checkpoints = off
"""

ACCESS: Final = """\
# All who can open the socket's directory may connect.
local all all trust
"""


def postgres_uri(directory: DataDirectory, database: str = DATABASE) -> str:
    """The address of the embedded PostgreSQL, running or not."""
    sockets = quote(str(directory.socket_directory("postgres")), safe="")
    return f"postgres://{USER}@/{quote(database)}?host={sockets}&port={PORT}"


class EmbeddedPostgres:
    """The cluster in a claimed data directory."""

    name: Final = "PostgreSQL"

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._server: Server | None = None

    async def start(self) -> None:
        """Returns when the database `tidings` takes connections. Raises DataDirectoryError or EmbeddedStoreError."""
        directory = self._directory
        settle(directory)
        account = postgres_account(directory.cluster)
        programs = await postgres_programs(directory.path, account)
        sockets = directory.socket_directory("postgres")
        own_private_directory(sockets, account=account)
        await self._make_cluster(programs, account)
        await clear_the_way(directory.cluster, sockets)
        configuration = _write(
            directory.path / "postgresql.conf",
            CONFIGURATION.format(port=PORT, sockets=str(sockets).replace("'", "''")),
        )
        access = _write(directory.path / "pg_hba.conf", ACCESS)
        self._server = Server(
            self.name, log=directory.logs / "postgres.log", stop_signals=STOP_SIGNALS, account=account
        )
        command: list[str | Path] = [
            programs / "postgres",
            "-D",
            directory.cluster,
            "-c",
            f"config_file={configuration}",
        ]
        await self._server.run([*command, "-c", f"hba_file={access}"], directory=directory.cluster)
        await self._server.until_ready(partial(is_ready, sockets))

    async def ended(self) -> int:
        """Waits for the end of the server; returns its exit code."""
        return await self._server.ended() if self._server else 0

    async def stop(self) -> None:
        """Fast shutdown; returns when every one of its processes is gone."""
        if self._server:
            await self._server.stop()

    async def _make_cluster(self, programs: Path, account: Account | None) -> None:
        cluster = self._directory.cluster
        for unfinished in self._directory.path.glob("postgres.init-*"):
            # It never held a message: a cluster is started under its final name only.
            shutil.rmtree(unfinished, ignore_errors=True)
        if cluster.exists():
            await Upgrade(self._directory, programs, account).run()
            return
        unfinished = Path(tempfile.mkdtemp(prefix="postgres.init-", dir=self._directory.path))
        if account:
            os.chown(unfinished, account.uid, account.gid)
        await init_cluster(programs, unfinished, account, logs=self._directory.logs)
        unfinished.rename(cluster)
        sync_directory(self._directory.path)


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o644)
    return path
