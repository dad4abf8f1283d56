"""tidings/runtime/files.py, and what a process says of it"""

import asyncio
import os
import resource
import sys

from tests.integration.runtime.test_process import AWAY

RAISE = "from tidings.runtime.files import raise_open_files_limit; print(raise_open_files_limit())"

DOCTOR = """
from tidings.cli.doctor.configuration import examine
from tidings.settings import Settings
[found] = [each for each in examine(Settings(in_flight=500)) if each.check == "open files"]
print(found.level.value, found.says)
"""


async def run(*command: str, soft: int, hard: int) -> bytes:
    """What the command prints, begun with these limits."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **AWAY},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(20):
        while (line := await process.stdout.readline()) and b"waiting for Postgres" not in line:
            said += line
    if process.returncode is None and line:
        process.terminate()
    await process.communicate()
    return said


async def test_the_soft_limit_becomes_the_hard_one() -> None:
    assert await run(sys.executable, "-c", RAISE, soft=256, hard=768) == b"768\n"
    assert await run(sys.executable, "-c", RAISE, soft=768, hard=768) == b"768\n"


async def test_a_process_says_what_fits() -> None:
    said = await run(sys.executable, "-m", "consumers", soft=256, hard=768)
    assert b"open files" in said
    assert b"768" in said
    assert b"warning" not in said.lower()
    said = await run(sys.executable, "-m", "consumers", soft=256, hard=300)
    assert b"warning" in said.lower()


async def test_the_doctor_says_what_fits_in_a_process_that_has_raised_its_limit() -> None:
    said = await run(sys.executable, "-c", DOCTOR, soft=256, hard=768)
    assert said == b"ok a process may open 768, a consumer needs 628\n"
    said = await run(sys.executable, "-c", DOCTOR, soft=256, hard=300)
    assert said.startswith(b"warning a process may open 300, which fit 172 deliveries in flight")
