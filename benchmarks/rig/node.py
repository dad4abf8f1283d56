"""Programs of the peers that run on node: what they need is installed once, beside them, but never by a smoke run."""

import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.rig.child import Child
from benchmarks.rig.figure import Round
from benchmarks.rig.machine import Machine

PROGRAMS: Final = Path(__file__).parents[1] / "peers" / "node"
WANTED: Final = PROGRAMS / "package.json"
INSTALLED: Final = PROGRAMS / "node_modules" / ".package-lock.json"
"""What npm writes when it has installed; as old as that."""
INSTALL_SECONDS: Final = 120.0
OLDEST: Final = 20
"""The first version of node that the peers run on."""


async def missing(current: Round) -> str | None:
    """Why these peers cannot run here; None where they can. Installs what they need."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        reason = "node or npm is not installed"
    elif int((await _output(node, "--version")).removeprefix("v").partition(".")[0]) < OLDEST:
        reason = f"node is older than {OLDEST}"
    elif await asyncio.to_thread(_is_newer, INSTALLED, WANTED):
        reason = ""
    elif current.quick:
        reason = "their packages are not installed, and a quick run installs none"
    else:
        reason = await _install(npm)
    if reason:
        print(f"peers on node are left out: {reason}", file=sys.stderr, flush=True)
    return reason or None


async def start(
    machine: Machine, program: str, *arguments: str, name: str = "", environ: Mapping[str, str] | None = None
) -> Child:
    """Runs one of the programs."""
    command: Sequence[str | Path] = (shutil.which("node") or "node", PROGRAMS / program, *arguments)
    return await Child.run(command, folder=machine.folder, name=name or program, environ=environ)


async def _install(npm: str) -> str:
    """Returns why it could not, or nothing."""
    process = await asyncio.create_subprocess_exec(
        *(npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--fetch-retries=0", "--silent"),
        cwd=PROGRAMS,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await asyncio.wait_for(process.communicate(), timeout=INSTALL_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"npm install took longer than {INSTALL_SECONDS:g} s"
    if process.returncode:
        lines = errors.decode("utf-8", "replace").splitlines()
        return f"npm install: {lines[0] if lines else process.returncode}"
    await asyncio.to_thread(INSTALLED.touch)
    return ""


def _is_newer(file: Path, than: Path) -> bool:
    return file.exists() and file.stat().st_mtime >= than.stat().st_mtime


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode().strip()


class Loop(msgspec.Struct, frozen=True):
    """A loop of POSTs over undici in one process."""

    rate: float
    """Requests a second."""
    cpu: float
    """CPU seconds a request."""


async def bare_loop(machine: Machine, count: int) -> Loop:
    """The loop against the receiver."""
    child = await start(machine, "bare_loop.js", f"--url={machine.gateway.url}", f"--count={count}")
    try:
        said = await child.said(within=120)
    finally:
        await child.stop()
    return Loop(count / said["seconds"], said["cpu_seconds"] / count)
