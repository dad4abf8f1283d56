"""How a process begins: it may be stopped while it waits for a store, and says what is wrong in one line."""

import asyncio
import os
import sys
from collections.abc import Mapping

import pytest

MODULES = ("api", "producer", "consumers")
AWAY = {"POSTGRES_URI": "postgres://nobody@127.0.0.1:1/none", "REDIS_URI": "redis://127.0.0.1:1", "PORT": "0"}


async def start(module: str, environ: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env={**os.environ, **environ}, stderr=asyncio.subprocess.PIPE
    )


@pytest.mark.parametrize("module", MODULES)
async def test_a_process_that_waits_for_postgres_says_so_and_can_be_stopped(module: str) -> None:
    process = await start(module, AWAY)
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while b"waiting for Postgres" not in (line := await process.stderr.readline()):
            assert line, "it ended"
        process.terminate()
        await process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("module", MODULES)
async def test_a_wrong_setting_ends_a_process_with_one_line_and_exit_code_2(module: str) -> None:
    process = await start(module, {**AWAY, "LEASE_SECONDS": "-1"})
    _, stderr = await asyncio.wait_for(process.communicate(), timeout=20)
    assert process.returncode == 2
    assert stderr.decode().count("\n") == 1
    assert "LEASE_SECONDS" in stderr.decode()
