"""The process of one store: started bound to us, watched until it answers, stopped with growing insistence."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from tidings.domain.errors import EmbeddedStoreError
from tidings.embedded.bounded_log import BoundedLog
from tidings.embedded.child_process import Account, bound_to_parent
from tidings.embedded.orphan import Escalation

READY_SECONDS: Final = 60.0
"""Time for a store to answer: recovery after a crash replays up to `max_wal_size` of log."""
PATIENCE: Final = 0.02
"""Seconds between polls whether it answers."""


class Server:
    """One store's process, which may be started again after it ended."""

    def __init__(self, name: str, *, log: Path, stop_signals: Escalation, account: Account | None = None) -> None:
        self.name = name
        self._log = BoundedLog(log)
        self._stop_signals = stop_signals
        self._account = account
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, command: Sequence[str | Path], *, directory: Path) -> None:
        """Starts the program; the first of the stop signals is what it gets when we die."""
        output = self._log.open()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *bound_to_parent(
                    command, on_parent_death=self._stop_signals[0][0], account=self._account, directory=directory
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # None of our variables: PGOPTIONS and its kin would change the server, secrets are not its business.
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            )
        finally:
            os.close(output)

    async def until_ready(self, question: Callable[[], Awaitable[bool]]) -> None:
        """Waits until `question` is true; raises EmbeddedStoreError where the process ends first or stays silent."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await question():
                    if self._process is None or self._process.returncode is not None:
                        raise EmbeddedStoreError(
                            f"{self.name} does not start: {self.last_line()} (see {self._log.path})"
                        )
                    await asyncio.sleep(PATIENCE)
        except TimeoutError:
            raise EmbeddedStoreError(f"{self.name} did not answer within {READY_SECONDS:.0f} s") from None

    async def ended(self) -> int:
        """Waits for the end of the process; returns its exit code (negative: the signal)."""
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """Stops the process and waits for its end. Does nothing where none runs."""
        process = self._process
        if process is None:
            return
        for number, seconds in (*self._stop_signals, (signal.SIGKILL, 60.0)):
            if process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            try:
                async with asyncio.timeout(seconds):
                    await process.wait()
            except TimeoutError:
                continue
        self._log.drain()
        self._process = None

    def last_line(self) -> str:
        """The last thing that it printed."""
        self._log.drain()
        return self._log.last_line()
