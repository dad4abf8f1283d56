"""The supervisor with real, tiny processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.processes import alive, until
from tidings.cli.up.supervisor import Backoff, Program, Supervisor

ROOT = Path(__file__).parents[4]
QUICK = Backoff(first=0.01, longest=0.05, well_after=60)

NOTE = """
import os, pathlib, signal, sys, time
diary, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def note(what):
    with diary.open("a") as file:
        file.write(f"{name} {what} {os.getpid()}\\n")
"""
UNTIL_TOLD = (
    NOTE
    + """
def stop(*_):
    note("stops")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("runs")
time.sleep(600)
"""
)
DIES_THRICE = (
    NOTE
    + """
note("runs")
if len(diary.read_text().splitlines()) <= 3:
    sys.exit(1)
time.sleep(600)
"""
)
DEAF = (
    NOTE
    + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
note("runs")
time.sleep(600)
"""
)
WRONG_SETTING = NOTE + "note('runs'); sys.exit(2)"
WELL_THEN_TOO_OLD = NOTE + "note('runs'); time.sleep(0.3); sys.exit(3)"
WELL_THEN_WRONG = NOTE + "note('runs'); time.sleep(0.3); sys.exit(2)"


class Diary:
    """What the programs note down, line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def program(self, script: str, name: str = "it", *, grace: float = 20.0) -> Program:
        return Program(name=name, command=(sys.executable, "-c", script, str(self.path), name), grace_seconds=grace)

    def entries(self) -> list[str]:
        """Without the process ids."""
        return [line.rpartition(" ")[0] for line in self._lines()]

    def pids(self) -> list[int]:
        return [int(line.rpartition(" ")[2]) for line in self._lines()]

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")


@asynccontextmanager
async def supervising(*stages: list[Program], backoff: Backoff = QUICK) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(stages, backoff=backoff)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.hurry()
        await supervisor.stop()


async def test_what_dies_is_started_again_until_it_stays(diary: Diary) -> None:
    async with supervising([diary.program(DIES_THRICE)]):
        await until(lambda: len(diary.entries()) == 4)
        *dead, last = diary.pids()
        assert not any(map(alive, dead))
        assert alive(last)
    assert not alive(last)


async def test_what_is_killed_is_started_again(diary: Diary) -> None:
    async with supervising([diary.program(UNTIL_TOLD)]):
        await until(lambda: len(diary.entries()) == 1)
        os.kill(diary.pids()[0], signal.SIGKILL)
        await until(lambda: len(diary.entries()) == 2)


def test_the_wait_doubles_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=5, well_after=30)
    assert [backoff.delay(ends) for ends in (1, 2, 3, 4, 5, 10_000)] == [0.5, 1, 2, 4, 5, 5]


async def test_a_stop_during_the_wait_does_not_wait(diary: Diary) -> None:
    slow = Backoff(first=600, longest=600, well_after=600)
    async with supervising([diary.program(NOTE + "note('runs'); sys.exit(1)")], backoff=slow) as supervisor:
        await until(lambda: len(diary.entries()) == 1 and not alive(diary.pids()[0]))
        async with asyncio.timeout(5):
            await supervisor.stop()


async def test_stages_stop_one_after_the_other(diary: Diary) -> None:
    stages = [[diary.program(UNTIL_TOLD, name)] for name in ("api", "producer", "consumer")]
    async with supervising(*stages) as supervisor:
        await until(lambda: len(diary.entries()) == 3)
        await supervisor.stop()
        assert diary.entries()[3:] == ["api stops", "producer stops", "consumer stops"]
        assert not any(map(alive, diary.pids()))


async def test_what_does_not_stop_within_its_grace_is_killed(diary: Diary) -> None:
    async with supervising([diary.program(DEAF, grace=0.1)]) as supervisor:
        await until(lambda: len(diary.entries()) == 1)
        async with asyncio.timeout(10):
            await supervisor.stop()
        assert not alive(diary.pids()[0])


async def test_hurry_ends_the_patience(diary: Diary) -> None:
    async with supervising([diary.program(DEAF, grace=600)]) as supervisor:
        await until(lambda: len(diary.entries()) == 1)
        stopping = asyncio.create_task(supervisor.stop())
        supervisor.hurry()
        async with asyncio.timeout(10):
            await stopping
        assert not alive(diary.pids()[0])


async def test_a_wrong_setting_is_not_tried_again(diary: Diary) -> None:
    async with supervising([diary.program(WRONG_SETTING, "api")]) as supervisor:
        async with asyncio.timeout(10):
            assert (await supervisor.failed()).name == "api"
        assert diary.entries() == ["api runs"]


async def test_what_is_too_old_for_the_database_is_not_tried_again(diary: Diary) -> None:
    """Not even after it ran well: a newer version has migrated meanwhile."""
    backoff = Backoff(first=0.01, longest=0.05, well_after=0.2)
    async with supervising([diary.program(WELL_THEN_TOO_OLD, "api")], backoff=backoff) as supervisor:
        async with asyncio.timeout(10):
            assert (await supervisor.failed()).name == "api"
        assert diary.entries() == ["api runs"]


async def test_the_same_exit_code_after_a_good_run_is_tried_again(diary: Diary) -> None:
    backoff = Backoff(first=0.01, longest=0.05, well_after=0.2)
    async with supervising([diary.program(WELL_THEN_WRONG)], backoff=backoff):
        await until(lambda: len(diary.entries()) == 3)


async def test_a_child_has_a_session_of_its_own_so_that_ctrl_c_reaches_the_supervisor_alone(diary: Diary) -> None:
    async with supervising([diary.program(UNTIL_TOLD)]):
        await until(lambda: len(diary.entries()) == 1)
        [pid] = diary.pids()
        assert os.getsid(pid) == pid
        assert os.getpgid(pid) != os.getpgid(0)


async def test_a_program_gets_its_variables_on_top_of_ours(diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "kept")
    script = NOTE + "note(os.environ['OURS'] + os.environ['CONSUMER_NAME']); time.sleep(600)"
    base = diary.program(script)
    program = Program(name=base.name, command=base.command, environ={"CONSUMER_NAME": "c-1"})
    async with supervising([program]):
        await until(lambda: diary.entries() == ["it keptc-1"])


@pytest.mark.skipif(sys.platform != "linux", reason="the signal at the parent's death is Linux's")
async def test_a_killed_supervisor_leaves_nothing_running(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.cli.up.supervised", str(tmp_path)), cwd=ROOT
    )
    notes = [tmp_path / "first", tmp_path / "second"]
    try:
        await until(lambda: all(note.exists() for note in notes))
    finally:
        process.kill()
        await process.wait()
    pids = [int(note.read_text()) for note in notes]
    await until(lambda: not any(map(alive, pids)))
