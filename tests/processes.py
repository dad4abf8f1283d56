"""Other processes: what runs on a directory, who is alive, waiting for a condition about them, and their end."""

import asyncio
import os
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path


async def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Waits until the condition holds; for what has no event. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """True while the process runs; one that has ended but was not waited for counts as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def on_directory(path: Path) -> list[int]:
    """Processes that work in the directory or name it in their command line; never this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            named = os.fsencode(path) in (entry / "cmdline").read_bytes()
            inside = (entry / "cwd").readlink().is_relative_to(path)
        except OSError:
            continue
        if (named or inside) and alive(int(entry.name)):
            found.append(int(entry.name))
    return found


@asynccontextmanager
async def ending(process: Process) -> AsyncIterator[Process]:
    """The process, which has ended when the context is left: killed, where it still runs."""
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
