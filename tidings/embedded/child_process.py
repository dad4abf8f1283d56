"""Child processes that end with their parent, even when it is killed with SIGKILL.

Processes in play: a parent (the supervisor, or the process that started the embedded stores) and a command that must
not outlive it. The command is started through this file, run as a script of its own: it leaves the terminal's process
group, takes the wanted account, asks the kernel for a signal at the parent's death (`PR_SET_PDEATHSIG`, Linux), and
becomes the command by exec. Elsewhere than on Linux a killed parent leaves its children behind; the next start stops
those of the embedded stores (`embedded/orphan.py`).

The kernel ties the signal to the thread that forked, so children are started from a thread that stays: the main one.

Rejected: `preexec_fn`, which runs Python between fork and exec and by its own documentation may deadlock in a process
with threads. The detour costs 20 ms a start.

Nothing but the standard library may be imported here: as a script it runs without the site packages.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

PR_SET_PDEATHSIG: Final = 1
"""From `linux/prctl.h`."""

DIRECTORY_UNREACHABLE: Final = 125
"""Exit code where the account may not enter the working directory."""
PROGRAM_UNREACHABLE: Final = 126
"""Exit code where the account may not run the program, as shells use it."""


class Account(NamedTuple):
    """The user and group that a process runs as."""

    uid: int
    gid: int


def bound_to_parent(
    command: Sequence[str | Path],
    *,
    on_parent_death: signal.Signals,
    account: Account | None = None,
    directory: Path = Path(),
) -> list[str]:
    """The command line that runs `command` as a child of this process, and ends it with this process.

    The child gets a session of its own, so a Ctrl-C at the terminal reaches the parent alone, which then decides the
    order in which its children stop. Only root can give it another `account`. `directory` is its working directory.
    """
    uid, gid = account or (-1, -1)
    plan = (os.getpid(), int(on_parent_death), uid, gid, directory.absolute())
    return [sys.executable, "-I", "-S", __file__, *map(str, plan), *map(str, command)]


def _become(arguments: Sequence[str]) -> None:
    parent, death_signal, uid, gid = map(int, arguments[:4])
    directory, *command = arguments[4:]
    os.setsid()
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of account, which clears it.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    try:
        os.chdir(directory)
    except OSError as error:
        _give_up(error, DIRECTORY_UNREACHABLE)
    try:
        os.execv(command[0], command)  # noqa: S606  no shell is what is wanted
    except OSError as error:
        _give_up(error, PROGRAM_UNREACHABLE)


def _give_up(error: OSError, code: int) -> None:
    sys.stderr.write(f"{error}\n")
    sys.exit(code)


if __name__ == "__main__":
    _become(sys.argv[1:])
