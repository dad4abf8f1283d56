"""`tidings drill` against a running deployment."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.system import System
from tests.e2e.test_up import QUIET, TIDINGS, data_dir, up

__all__ = ["data_dir"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds what to kill through /proc")


async def drill(url: str, *options: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the report, and what was complained of."""
    process = await asyncio.create_subprocess_exec(
        *(*TIDINGS, "drill", "--url", url, "--json", *options),
        env=QUIET,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    printed, complaint = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(printed or "{}"), complaint.decode()


async def test_kills_a_consumer_of_tidings_up_and_counts(data_dir: Path) -> None:
    async with up(data_dir) as running:
        code, report, complaint = await drill(
            await running.url(), "--kill", "consumer", "--yes", "--canaries", "200", "--rate", "100", "--wait", "20"
        )
        assert code == 0, complaint
        assert (report["accepted"], report["delivered"], report["lost"]) == (200, 200, [])
        assert len(report["killed"]) == 1
        assert report["lateness"]["longest"] < 20
        assert await running.stop() == 0


async def test_what_does_not_arrive_in_time_is_exit_code_1(system: System) -> None:
    # No producer: nothing moves.
    await system.start_api()
    code, report, _ = await drill(system.url, "--canaries", "5", "--wait", "1")
    assert code == 1
    assert (report["accepted"], report["delivered"], report["late"]) == (5, 0, [1, 2, 3, 4, 5])


async def test_what_the_api_refuses_is_one_line(system: System) -> None:
    await system.start_api()
    code, report, complaint = await drill(system.url, "--canaries", "5", "--receiver-url", "http://example.com")
    assert (code, report) == (2, {})
    assert complaint.count("\n") == 1
    assert "https" in complaint
    code, _, complaint = await drill(system.url, "--listen", "somewhere")
    assert code == 2
    assert "--listen" in complaint
