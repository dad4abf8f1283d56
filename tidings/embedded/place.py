"""Whether the embedded stores can live at a place. Asked before anything is made there.

PostgreSQL does not run as root: started by root it is another account, which has to pass through every folder above the
data directory. Only that account can say whether it may (modes, groups, ACLs), so a shell that runs as it is asked.
"""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tidings.domain.errors import DataDirectoryError
from tidings.embedded.child_process import Account
from tidings.embedded.data_directory import DataDirectory
from tidings.embedded.installation import account_name, installed_postgres, postgres_account

NEW_CLUSTER_BYTES: Final = 256 * 1024 * 1024
"""A new cluster with its first WAL, and a copy of the programs where there has to be one, with room to work."""

SHELL: Final = "/bin/sh"
FIRST_CLOSED: Final = 'for each; do test -x "$each" || { printf %s "$each"; break; }; done'


async def check_place(directory: DataDirectory) -> None:
    """Raises DataDirectoryError, with what to do, where the stores could not live in this directory."""
    account = postgres_account(directory.cluster)
    existing = next(each for each in (directory.path, *directory.path.parents) if _is_there(each))
    if not existing.is_dir():
        raise DataDirectoryError(f"{existing}: is not a directory")
    if existing == directory.path:
        try:
            directory.refuse_what_is_not_ours()
        except OSError as error:
            raise DataDirectoryError(f"{error.filename or existing}: {error.strerror}") from None
    if account is not None:
        await _check_way(directory, existing, account)
    if not _is_there(directory.cluster):
        free = shutil.disk_usage(existing).free
        if free < NEW_CLUSTER_BYTES:
            raise DataDirectoryError(
                f"{directory.path}: {free // 1024**2} MiB are free there, and a new database needs "
                f"{NEW_CLUSTER_BYTES // 1024**2}; choose another --data-dir or make room"
            )


async def _check_way(directory: DataDirectory, existing: Path, account: Account) -> None:
    way = [*reversed(existing.parents), existing]
    if directory.is_ours_to_open():
        way.remove(directory.path)
    closed = await _first_closed(way, account)
    if closed:
        raise DataDirectoryError(
            f"{directory.path}: user {account_name(account)}, as whom PostgreSQL runs, may not enter {closed}; leave "
            "out --data-dir and DATA_DIR (for root that is /var/lib/tidings), choose a --data-dir whose parent folders "
            "others may pass through (chmod o+x), or start tidings as an ordinary user"
        )
    programs = installed_postgres()
    if (
        programs is not None
        and os.statvfs(existing).f_flag & os.ST_NOEXEC
        and await _first_closed([*reversed(programs.parents), programs], account)
    ):
        raise DataDirectoryError(
            f"{directory.path}: is on a file system mounted noexec, and user {account_name(account)}, as whom "
            f"PostgreSQL runs, cannot reach {programs}; choose another --data-dir, or install tidings where others may "
            "read it"
        )


async def _first_closed(way: list[Path], account: Account) -> str:
    """The first of these that the account may not enter (or run); empty where there is none."""
    # In a thread, since uvloop starts no process as somebody else.
    asked = await asyncio.to_thread(
        subprocess.run,
        [SHELL, "-c", FIRST_CLOSED, SHELL, *map(str, way)],
        cwd="/",
        stdout=subprocess.PIPE,
        check=False,
        user=account.uid,
        group=account.gid,
        extra_groups=[],
    )
    return os.fsdecode(asked.stdout)


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True
