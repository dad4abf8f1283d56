"""Clean stops under load: nothing is lost, nothing comes twice."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.books import Books
from tests.chaos.round import Round, free_port, row
from tests.chaos.stores import folder_for_stores
from tests.processes import ending, on_directory, until
from tidings.embedded import addresses

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

UP = (sys.executable, "-c", "import sys; from tidings.cli import main; sys.exit(main())", "up")


@row("10a", "SIGTERM to a consumer", recovered_within=15, short=True)
async def test_sigterm_to_a_consumer(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        fault.over()
        assert await chaos.consumers["c1"].stop() == 0


@row("10b", "SIGTERM to every process in turn, each started again", recovered_within=15)
async def test_rolling_restart(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        for name in ("c1", "c2"):
            assert await chaos.consumers[name].stop() == 0
            await chaos.start_consumer(name)
        assert await chaos.producers.pop().stop() == 0
        await chaos.start_producer()
        assert await chaos.api.stop() == 0
        await chaos.start_api()
        fault.over()


@row("10c", "SIGTERM to `tidings up`, then started again", recovered_within=15)
async def test_restart_of_everything(chaos: Round) -> None:
    port = free_port()
    with folder_for_stores() as folder:
        found = addresses(folder / "data")
        chaos.books = Books(found.postgres_uri, found.redis_uri)
        async with up(chaos, folder / "data", port) as first:
            await chaos.flow_to(f"http://127.0.0.1:{port}")
            async with chaos.under_load() as fault:
                first.send_signal(signal.SIGTERM)
                assert await first.wait() == 0
                second = await start_up(chaos, folder / "data", port)
                fault.over()
            second.send_signal(signal.SIGTERM)
            assert await second.wait() == 0


@asynccontextmanager
async def up(chaos: Round, data_dir: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """`tidings up` with stores of its own; whatever runs on the directory afterwards has ended."""
    try:
        async with ending(await start_up(chaos, data_dir, port)) as process:
            yield process
    finally:
        await until(lambda: on_directory(data_dir) == [])


async def start_up(chaos: Round, data_dir: Path, port: int) -> asyncio.subprocess.Process:
    """Returns when it says that it is up."""
    environ = {
        name: value for name, value in chaos.system._environ.items() if name not in {"POSTGRES_URI", "REDIS_URI"}
    }
    process = await asyncio.create_subprocess_exec(
        *(*UP, "--port", str(port), "--data-dir", str(data_dir), "--consumers", "2"),
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if b"tidings is up" in line:
            return process
    raise AssertionError("`tidings up` did not come up")
