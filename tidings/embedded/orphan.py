"""A store that outlived the process that started it, found and stopped by its process id.

A pid file alone proves nothing: the id may belong to another process by now. It counts only if the command line of the
process names the program and a path that only this store has.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

Escalation = Sequence[tuple[signal.Signals, float]]
"""Signals to send one after the other, each with the seconds to wait for the end."""


class Orphan(NamedTuple):
    """What makes a process the one we mean."""

    pid: int
    programs: tuple[str, ...]
    path: Path

    def is_running(self) -> bool:
        arguments = _command_line(self.pid)
        named = any(program in arguments.split("\0", maxsplit=1)[0].split(" ")[0] for program in self.programs)
        return named and str(self.path) in arguments


def find(pid_file: Path, *, programs: Iterable[str], path: Path) -> Orphan | None:
    """The process whose id is on the first line of `pid_file`, if it runs one of `programs` on `path`."""
    pid = noted_pid(pid_file)
    if pid is None:
        return None
    orphan = Orphan(pid, tuple(programs), path)
    return orphan if orphan.is_running() else None


def noted_pid(pid_file: Path) -> int | None:
    """The id on the first line of a pid file, if there is one."""
    try:
        return int(pid_file.read_text().split("\n", maxsplit=1)[0])
    except (OSError, ValueError):
        return None


async def stop(orphan: Orphan, escalation: Escalation) -> bool:
    """Stops that process and no other; True when it is gone."""
    for number, seconds in escalation:
        try:
            os.kill(orphan.pid, number)
        except ProcessLookupError:
            return True
        try:
            async with asyncio.timeout(seconds):
                # Not our child: there is no event to wait for.
                while orphan.is_running():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            continue
        return True
    return False


def _command_line(pid: int) -> str:
    """The arguments of a process, or nothing where it is gone."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape")
        except OSError:
            return ""
    # macOS
    asked = subprocess.run(  # noqa: S603
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout
