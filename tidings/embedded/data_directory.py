"""The data directory of the embedded stores: its layout, its lock, and the refusal of one that is not ours.

Files in play::

    <data_dir>/
        TIDINGS              marker: this directory was set up by tidings
        lock                 held with flock by the process that runs the stores
        secret_keys          encrypt the secrets of users; readable for this account only
        postgres/            the PostgreSQL cluster
        postgres.init-*/     a cluster in the making; renamed to postgres/ when it is whole
        postgres.upgrade-*/, postgres.upgraded/    the same of an upgrade (embedded/upgrade.py)
        postgres-16/         the cluster of an older PostgreSQL, whose upgraded copy is in postgres/
        postgresql.conf, pg_hba.conf    written again at each start
        postgresql-18/       a copy of the program, only where Postgres cannot run from where it is installed
        run/postgres/, run/redis/       sockets and pid files; private to the account that runs each store
        log/                 what the stores print, bounded in size

A crash leaves no lock: the kernel drops it with its process. What else it leaves behind (a cluster in the making,
sockets, pid files) the next start clears away. Nothing that has held a message is ever deleted.
"""

import fcntl
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from tidings.domain.errors import DataDirectoryError
from tidings.embedded.child_process import Account

MAX_SOCKET_PATH: Final = 100
"""Bytes. The kernel's limit for a socket's address is 107 (Linux) or 103 (macOS)."""
LONGEST_SOCKET: Final = "postgres/.s.PGSQL.5432"
LOST_AND_FOUND: Final = "lost+found"
"""Present in an empty file system."""


class DataDirectory:
    """One data directory; `claim` before use, `release` after."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock: int | None = None

    @property
    def cluster(self) -> Path:
        return self.path / "postgres"

    @property
    def logs(self) -> Path:
        return self.path / "log"

    @property
    def run(self) -> Path:
        """Where the sockets are: in the data directory, or, where its path is too long for one, under `/tmp`.

        `/tmp` and not `TMPDIR`, so that processes with different environments find the same place.
        """
        inside = self.path / "run"
        if len(os.fsencode(inside / LONGEST_SOCKET)) <= MAX_SOCKET_PATH:
            return inside
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path("/tmp") / f"tidings-{name}"  # noqa: S108  its owner is verified before use

    def socket_directory(self, store: str) -> Path:
        return self.run / store

    def claim(self) -> None:
        """Takes the directory for this process, and sets it up at the first time.

        Raises DataDirectoryError where it is in use, not ours, or not usable.
        """
        if self._lock is not None:
            raise DataDirectoryError(f"{self.path}: is already in use by this process")
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True)
                # Root's stores run as another account, which has to pass through here (and sees no names in it).
                self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.refuse_what_is_not_ours()
            self._lock = self._take_lock()
        except FileExistsError:
            raise DataDirectoryError(f"{self.path}: is not a directory") from None
        except OSError as error:
            raise DataDirectoryError(f"{error.filename or self.path}: {error.strerror}") from None
        try:
            self.refuse_what_is_not_ours()
            if self.is_ours_to_open():
                # Such as one that mkdtemp made. What is in it has modes of its own.
                self.path.chmod(self.path.stat().st_mode & 0o7777 | 0o011)
            if not self._marker.exists():
                self._marker.write_text("The embedded stores of tidings live here.\n")
            own_private_directory(self.logs)
            own_private_directory(self.run, passable=os.geteuid() == 0)
        except OSError as error:
            self.release()
            raise DataDirectoryError(f"{error.filename or self.path}: {error.strerror}") from None
        except BaseException:
            self.release()
            raise

    def is_ours_to_open(self) -> bool:
        """Whether it is root's, and tidings' alone: then others may pass through, as through one that `claim` makes."""
        try:
            if os.geteuid() != 0 or self.path.stat().st_uid != 0:
                return False
            self.refuse_what_is_not_ours()
        except (OSError, DataDirectoryError):
            return False
        return True

    def release(self) -> None:
        """Lets another process use the directory. Does nothing where it is not claimed."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def _marker(self) -> Path:
        return self.path / "TIDINGS"

    def _take_lock(self) -> int:
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise DataDirectoryError(
                f"{self.path}: is in use by another tidings; stop that one or choose another --data-dir"
            ) from None
        return lock

    def refuse_what_is_not_ours(self) -> None:
        """Raises DataDirectoryError where somebody else's files are in it, OSError where it cannot be read."""
        if self._marker.exists():
            if self._marker.stat().st_uid != os.geteuid():
                raise DataDirectoryError(
                    f"{self.path}: belongs to {_owner(self._marker)}; start as that user or choose another --data-dir"
                )
            return
        # The lock may be there alone: the marker comes right after it.
        if any(entry.name not in {"lock", LOST_AND_FOUND} for entry in self.path.iterdir()):
            raise DataDirectoryError(
                f"{self.path}: is not empty and was not set up by tidings; choose another --data-dir"
            )


def own_private_directory(path: Path, *, account: Account | None = None, passable: bool = False) -> None:
    """Makes `path` a directory that only `account` (or else this process's user) may use.

    `passable` lets others pass through to what is below, without seeing names. Raises DataDirectoryError where
    another process made it first.
    """
    owner = account.uid if account else os.geteuid()
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
            raise DataDirectoryError(f"{path}: belongs to another user; remove it and start again") from None
    if account:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    path.chmod(0o711 if passable else 0o700)


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"
