"""What a drill kills: a process by its id, or a consumer or producer of the `tidings up` that runs on this machine.

The latter are found by their command line and by the API port in their environment, so that those of another `tidings
up` on the same machine are left alone.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import typer
from yarl import URL

from tidings.domain.addresses import is_loopback
from tidings.domain.errors import SettingsError

MODULES: Final = {"consumer": "consumers", "producer": "producer"}
"""What `--kill` may say, with the module that such a process runs."""

_PROC: Final = Path("/proc")


class Victim(NamedTuple):
    """A process that is to be killed."""

    pid: int
    command: str
    started: str
    """When it started, by the kernel's count: its id may be another's by the time."""

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})"


def by_pid(pid: int) -> Victim:
    """Raises SettingsError where there is no such process, or it is not one to kill."""
    if pid in {1, os.getpid(), os.getppid()}:
        raise SettingsError(f"--kill-pid: {pid} is not a process that a drill may kill")
    try:
        return _victim(pid)
    except (OSError, ValueError):
        raise SettingsError(f"--kill-pid: there is no process {pid} on this machine") from None


def of_local_up(kind: str, url: str) -> Victim:
    """A consumer or producer of the `tidings up` behind a URL. Raises SettingsError where there is none here."""
    if kind not in MODULES:
        raise SettingsError(f"--kill: {kind!r} is none of {', '.join(MODULES)}")
    address = URL(url if "://" in url else f"http://{url}")
    if not is_loopback(address.host or ""):
        raise SettingsError(f"--kill: {url} is not on this machine; --kill-pid names a process, on its own machine")
    found = next(_of_port(MODULES[kind], address.port or 0), None)
    if found is None:
        raise SettingsError(f"--kill: no {kind} of a `tidings up` on port {address.port}; --kill-pid names a process")
    return found


def confirm(victims: Sequence[Victim]) -> None:
    """Asks at the terminal. Raises SettingsError where it is not confirmed, or there is no terminal."""
    try:
        agreed = not victims or typer.confirm(f"Kill {', '.join(map(str, victims))}?", err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise SettingsError("not confirmed, so nothing was killed or sent; --yes kills without asking")


def kill(victim: Victim) -> None:
    """SIGKILL, unless the process has ended since it was chosen."""
    try:
        if _victim(victim.pid) == victim:
            os.kill(victim.pid, signal.SIGKILL)
    except OSError:
        return


def _of_port(module: str, port: int) -> Iterator[Victim]:
    for entry in _PROC.iterdir() if _PROC.exists() else ():
        if not entry.name.isdecimal():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            environ = (entry / "environ").read_bytes().split(b"\0")
            if arguments[-3:-1] == [b"-m", module.encode()] and f"PORT={port}".encode() in environ:
                yield _victim(int(entry.name))
        except OSError:
            # It has ended, or belongs to another user.
            continue


def _victim(pid: int) -> Victim:
    folder = _PROC / str(pid)
    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    started = (folder / "stat").read_text().rpartition(")")[2].split()[19]
    return Victim(pid, command, started)
