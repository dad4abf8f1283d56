"""A process that a figure starts: bound to this one, so that nothing is left running even after a SIGKILL.

Programs of the benchmarks talk in lines of JSON on standard output: one when they are ready, one with their result.
Processes of tidings say when they are ready in their log.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import psutil

from tidings.embedded.child_process import bound_to_parent
from tidings.settings import Settings

REPOSITORY: Final = Path(__file__).parents[2]
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.02

_SETTINGS: Final = frozenset(name.upper() for name in Settings.__struct_fields__)


class ChildError(Exception):
    """A process ended, or stayed silent, where it should not have; with the end of its log."""


class Child:
    """One running process; its standard error goes to a file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self.ps = psutil.Process(process.pid)

    @classmethod
    async def start(
        cls,
        module: str,
        *arguments: str,
        folder: Path,
        name: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Runs `python -m module`, with no setting of ours but those in `environ`."""
        command = (sys.executable, "-m", module, *arguments)
        return await cls.run(command, folder=folder, name=name or module.rpartition(".")[2], environ=environ)

    @classmethod
    async def run(
        cls, command: Sequence[str | Path], *, folder: Path, name: str, environ: Mapping[str, str] | None = None
    ) -> Self:
        """Runs any program so."""
        log = folder / f"{name}.log"
        inherited = {key: value for key, value in os.environ.items() if key.upper() not in _SETTINGS}
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *bound_to_parent(command, on_parent_death=signal.SIGKILL, directory=REPOSITORY),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                limit=2**26,
                env={**inherited, **(environ or {})},
            )
        return cls(name, process, log)

    async def said(self, *, within: float = READY_SECONDS) -> Any:
        """The next line of JSON that it prints. Raises ChildError where none comes."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise ChildError(f"{self.name} said nothing for {within:.0f} s\n{self._end_of_log()}") from None
        if not line:
            raise ChildError(f"{self.name} ended with {await self._process.wait()}\n{self._end_of_log()}")
        return msgspec.json.decode(line)

    async def logged(self, pattern: str, *, within: float = READY_SECONDS) -> re.Match[str]:
        """Waits until the log has a line like that. Raises ChildError where it does not come."""
        try:
            async with asyncio.timeout(within):
                while (found := re.search(pattern, self.log.read_text("utf-8"))) is None:
                    if self._process.returncode is not None:
                        raise ChildError(f"{self.name} ended with {self._process.returncode}\n{self._end_of_log()}")
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise ChildError(f"{self.name} never logged {pattern!r}\n{self._end_of_log()}") from None
        return found

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL where that does not help; returns when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        # `communicate` rather than `wait`: a process that still prints must not block on a full pipe.
        ended = asyncio.ensure_future(self._process.communicate())
        await asyncio.wait((ended,), timeout=STOP_SECONDS)
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await ended

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-20:])
