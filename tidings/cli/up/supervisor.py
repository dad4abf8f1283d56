"""Keeps a set of processes running, and stops them in order.

Processes in play: this one and its children, one for each `Program`. A child that ends is started again after a wait
that doubles with each early end and starts over once it ran well for a while. A child that ends with exit code 2
before it ever ran well has a wrong setting, and one that ends with 3 is too old for the database: no restart cures
that. The supervisor says so and its caller stops all.

The children are bound to this process (`child_process.py`): killed with SIGKILL, it leaves none behind. They get
SIGKILL too, and not the chance to finish, because the stores may be gone with us and the next start needs the port and
the names; messages in flight come back when their lease runs out.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from tidings.embedded.child_process import bound_to_parent

log = structlog.get_logger(__name__)

WRONG_SETTING: Final = 2
"""The exit code of a process of ours that cannot run with the settings it was given."""
TOO_OLD: Final = 3
"""The exit code of one that the database no longer takes."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and how long its clean stop may take."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    """Variables added to ours."""
    grace_seconds: float = 10.0
    """Time from SIGTERM to SIGKILL."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Waits between restarts, in seconds: doubling from `first` to `longest`, from the start after `well_after`."""

    first: float = 0.5
    longest: float = 30.0
    well_after: float = 30.0
    """A program that ran this long ran well."""

    def delay(self, early_ends: int) -> float:
        """The wait after so many early ends in a row (1 or more)."""
        return min(self.longest, self.first * 2.0 ** min(early_ends - 1, 30))


class Supervisor:
    """Runs programs in stages: started from the last stage to the first, stopped from the first to the last.

    The stop of a stage ends before that of the next begins; within a stage all stop at once.
    """

    def __init__(self, stages: Sequence[Sequence[Program]], *, backoff: Backoff | None = None) -> None:
        self._hurry = asyncio.Event()
        self._failures: asyncio.Queue[Program] = asyncio.Queue()
        backoff = backoff or Backoff()
        self._stages = [
            [_Child(program, backoff, self._hurry, self._failures) for program in stage] for stage in stages
        ]

    def start(self) -> None:
        """Starts every program; returns at once."""
        for stage in reversed(self._stages):
            for child in stage:
                child.start()

    async def failed(self) -> Program:
        """Waits for a program that cannot run with its settings or this database, and returns it."""
        return await self._failures.get()

    async def stop(self) -> None:
        """Stops every program, stage after stage; returns when all are gone."""
        for stage in self._stages:
            await asyncio.gather(*(child.stop() for child in stage))

    def hurry(self) -> None:
        """Ends the patience of a `stop` that is under way or comes later: what still runs is killed."""
        self._hurry.set()


class _Child:
    """One program, kept running by a task of its own, which alone starts and stops its process."""

    def __init__(
        self, program: Program, backoff: Backoff, hurry: asyncio.Event, failures: asyncio.Queue[Program]
    ) -> None:
        self._program = program
        self._backoff = backoff
        self._hurry = hurry
        self._failures = failures
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"keep {self._program.name}")

    async def stop(self) -> None:
        self._stop.set()
        if self._task:
            await self._task

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        early_ends = 0
        ran_well = False
        while not self._stop.is_set():
            started = clock()
            code = await self._run()
            if self._stop.is_set():
                return
            if clock() - started >= self._backoff.well_after:
                ran_well = True
                early_ends = 0
            if code == TOO_OLD or (code == WRONG_SETTING and not ran_well):
                self._failures.put_nowait(self._program)
                return
            early_ends += 1
            delay = self._backoff.delay(early_ends)
            log.warning("process ended", name=self._program.name, code=code, restart_in=delay)
            await _within(delay, self._stop)

    async def _run(self) -> int:
        """Runs the program until it ends or is to stop; its exit code, negative where a signal ended it."""
        try:
            process = await asyncio.create_subprocess_exec(
                *bound_to_parent(self._program.command, on_parent_death=signal.SIGKILL),
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, **self._program.environ},
            )
        except OSError as error:
            # No memory or no process ids left: worth another attempt.
            log.warning("process not started", name=self._program.name, reason=str(error))
            return 1
        ended = asyncio.create_task(process.wait())
        try:
            await _first(ended, self._stop)
            if not ended.done():
                _send(process, signal.SIGTERM)
                await _first(ended, self._hurry, seconds=self._program.grace_seconds)
            if not ended.done():
                log.warning("process killed, it did not stop in time", name=self._program.name)
                _send(process, signal.SIGKILL)
            return await ended
        finally:
            # Only where this task itself is cancelled.
            if process.returncode is None:
                _send(process, signal.SIGKILL)
                ended.cancel()


async def _first(ended: asyncio.Task[int], event: asyncio.Event, seconds: float | None = None) -> None:
    """Waits for the end or the event, whichever comes first, but no longer than `seconds`."""
    happened = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({ended, happened}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        happened.cancel()


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Waits for the event, but no longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
