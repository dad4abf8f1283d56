"""How many files this process may open at once: each connection takes one."""

import importlib.util
from typing import Final

ENOUGH: Final = 65_536
"""Where the system names no number. Some refuse their own "unlimited" as a soft limit."""
_LIMITED: Final = importlib.util.find_spec("resource") is not None
"""Not on Windows."""


def open_files_limit() -> int:
    """The soft limit, which is the one that counts."""
    if not _LIMITED:
        return ENOUGH
    import resource  # noqa: PLC0415

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


def highest_open_files_limit() -> int:
    """What the limit is in a process that has raised it."""
    if not _LIMITED:
        return ENOUGH
    import resource  # noqa: PLC0415

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(open_files_limit(), ENOUGH if hard == resource.RLIM_INFINITY else hard)


def raise_open_files_limit() -> int:
    """Raises the soft limit to the hard one, and returns what it is then."""
    if _LIMITED and (wanted := highest_open_files_limit()) > open_files_limit():
        import resource  # noqa: PLC0415

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return open_files_limit()
