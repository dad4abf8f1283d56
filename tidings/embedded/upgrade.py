"""A cluster of an older PostgreSQL becomes one of this one: by `pg_upgrade`, as a copy, before the start.

Files in play, in the data directory: `postgres/`, the old cluster; `postgres.upgrade-*/`, a new one in the making;
`postgres.upgraded/`, one that is whole; `postgres-16/`, an old one whose place is taken, for whoever runs this machine
to delete.

1. The old cluster, where it did not stop cleanly, is started by its own programs, recovers, and is stopped.
2. A new cluster is made in `postgres.upgrade-*`, and filled by `pg_upgrade --copy`, which only reads the old one.
3. It becomes `postgres.upgraded`; `postgres` becomes `postgres-16`; `postgres.upgraded` becomes `postgres`.

A crash in 1 or 2 leaves the old cluster as it was, and the next start begins again. In 3 the next start takes the last
step, where the old cluster has left its place (`settle`); where it has not, an older tidings may have used it since, so
what was made is made again.

Rejected: `--link`, which takes no room, but after which the old cluster cannot be started any more.
"""

import asyncio
import os
import re
import shutil
import signal
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from tidings.domain.errors import DataDirectoryError, EmbeddedStoreError
from tidings.embedded.child_process import Account, bound_to_parent
from tidings.embedded.cluster import PORT, STOP_SIGNALS, USER, clear_the_way, init_cluster, is_ready, sync_directory
from tidings.embedded.data_directory import DataDirectory
from tidings.embedded.installation import POSTGRES_MAJOR, older_postgres_programs
from tidings.embedded.server import Server

log = structlog.get_logger(__name__)

UPGRADED: Final = "postgres.upgraded"
IN_THE_MAKING: Final = "postgres.upgrade-"
SPARE_BYTES: Final = 256 * 1024**2
"""Room for a new cluster's own catalogues and write-ahead log, beside what is copied."""


def settle(directory: DataDirectory) -> None:
    """Takes the last step of an upgrade that a crash interrupted, or throws away what it made."""
    upgraded = directory.path / UPGRADED
    if not upgraded.exists():
        return
    if directory.cluster.exists():
        # It was never started.
        shutil.rmtree(upgraded)
    else:
        upgraded.rename(directory.cluster)
        sync_directory(directory.path)
        log.info("an interrupted upgrade of PostgreSQL is finished", cluster=str(directory.cluster))


class Upgrade:
    """What has to be done before a cluster can be started by these programs; nothing, where it is of their version."""

    def __init__(self, directory: DataDirectory, programs: Path, account: Account | None) -> None:
        self._path = directory.path
        self._logs = directory.logs
        self._cluster = directory.cluster
        self._sockets = directory.socket_directory("postgres")
        self._programs = programs
        self._account = account

    async def run(self) -> None:
        """Returns when the cluster is of this version.

        Raises DataDirectoryError where it cannot be upgraded here, and EmbeddedStoreError where that fails. The old
        cluster is as it was then.
        """
        await self._clear_up()
        try:
            major = (self._cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise DataDirectoryError(f"{self._cluster}: is there, but is not a PostgreSQL cluster") from None
        if major == POSTGRES_MAJOR:
            for kept in self._path.glob("postgres-[0-9]*"):
                log.info("an older cluster is kept; delete it once all is well", cluster=str(kept))
            return
        is_newer = not major.isdecimal() or int(major) > int(POSTGRES_MAJOR)
        old_programs = None if is_newer else await older_postgres_programs(self._path, self._account, major=major)
        if old_programs is None:
            raise DataDirectoryError(
                f"{self._cluster}: is of PostgreSQL {major}, this one is {POSTGRES_MAJOR}; "
                + (
                    "start it with the newer tidings that made it"
                    if is_newer
                    else f"to upgrade it install PostgreSQL {major} too (Debian: apt install postgresql-{major}), or "
                    "start it with the tidings that made it: see docs/upgrade.md"
                )
            )
        kept = self._path / f"postgres-{major}"
        if kept.exists():
            raise DataDirectoryError(f"{kept}: is in the way of an upgrade; move it elsewhere, or delete it")
        await self._upgrade(old_programs, major, kept)

    async def _upgrade(self, old_programs: Path, major: str, kept: Path) -> None:
        size = await asyncio.to_thread(_size, self._cluster)
        free = shutil.disk_usage(self._path).free
        if size + SPARE_BYTES > free:
            raise DataDirectoryError(
                f"{self._cluster}: its upgrade from PostgreSQL {major} to {POSTGRES_MAJOR} makes a copy, for which "
                f"{(size + SPARE_BYTES) / 1e6:,.0f} MB must be free there; {free / 1e6:,.0f} MB are"
            )
        log.warning("PostgreSQL is upgraded", before=major, now=POSTGRES_MAJOR, megabytes=round(size / 1e6))
        state = await self._control_data(old_programs)
        if "Database cluster state: shut down\n" not in state:
            await self._recover(old_programs)
        making = Path(tempfile.mkdtemp(prefix=IN_THE_MAKING, dir=self._path))
        new = making / "cluster"
        new.mkdir(mode=0o700)
        if self._account:
            for folder in (making, new):
                os.chown(folder, self._account.uid, self._account.gid)
        # Both must be alike, and the old one stays as it is.
        unchecked = "Data page checksum version: 0\n" in state
        alike = ["--no-data-checksums"] if unchecked else []
        await init_cluster(self._programs, new, self._account, *alike, logs=self._logs)
        await self._run(
            making,
            "pg_upgrade",
            "--copy",
            f"--old-bindir={old_programs}",
            f"--new-bindir={self._programs}",
            f"--old-datadir={self._cluster}",
            f"--new-datadir={new}",
            f"--username={USER}",
            f"--socketdir={self._sockets}",
        )
        if unchecked:
            await self._run(making, "pg_checksums", "--enable", f"--pgdata={new}")
        new.rename(self._path / UPGRADED)
        sync_directory(self._path)
        self._cluster.rename(kept)
        (self._path / UPGRADED).rename(self._cluster)
        sync_directory(self._path)
        shutil.rmtree(making)
        log.warning("PostgreSQL was upgraded; delete the old cluster once all is well", old=str(kept))

    async def _clear_up(self) -> None:
        """What a crash left of an upgrade: processes, which `pg_upgrade` binds to nobody, and files."""
        for making in self._path.glob(f"{IN_THE_MAKING}*"):
            await clear_the_way(making / "cluster", self._sockets)
            # It was never started under its final name.
            shutil.rmtree(making)
        await clear_the_way(self._cluster, self._sockets)

    async def _control_data(self, programs: Path) -> str:
        """What `pg_controldata` says of the old cluster, one space after each colon."""
        process = await asyncio.create_subprocess_exec(
            *bound_to_parent(
                [programs / "pg_controldata", "-D", self._cluster],
                on_parent_death=signal.SIGKILL,
                account=self._account,
                directory=self._cluster,
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )
        said, _ = await process.communicate()
        return re.sub(r": +", ": ", said.decode(errors="replace"))

    async def _recover(self, programs: Path) -> None:
        """Starts the old cluster and stops it: `pg_upgrade` takes none that has yet to recover from a crash."""
        server = Server(
            "the older PostgreSQL",
            log=self._logs / "postgres-upgrade.log",
            stop_signals=STOP_SIGNALS,
            account=self._account,
        )
        options = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
        }
        try:
            await server.run(
                [
                    programs / "postgres",
                    "-D",
                    self._cluster,
                    *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
                ],
                directory=self._cluster,
            )
            await server.until_ready(partial(is_ready, self._sockets))
        finally:
            await server.stop()

    async def _run(self, directory: Path, program: str, *options: str) -> None:
        log_file = self._logs / "postgres-upgrade.log"
        running = Server(program, log=log_file, stop_signals=((signal.SIGTERM, 10.0),), account=self._account)
        try:
            await running.run([self._programs / program, *options], directory=directory)
            if await running.ended() != 0:
                raise EmbeddedStoreError(
                    f"{self._cluster}: {program} fails: {running.last_line()} (see {log_file}); nothing is changed"
                )
        finally:
            await running.stop()


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))
