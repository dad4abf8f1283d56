"""`tidings up` as a newcomer meets it: one command, real processes, stopped by Ctrl-C or killed."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.processes import alive, on_directory, until
from tidings.cli.client import ApiClient
from tidings.domain.timestamps import utc_now

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

TIDINGS = (sys.executable, "-c", "import sys; from tidings.cli import main; sys.exit(main())")
QUIET = {
    name: value
    for name, value in os.environ.items()
    if name not in {"POSTGRES_URI", "REDIS_URI", "REDIS_HOST", "WEBHOOK_URL", "API_KEY", "PORT", "HOST"}
}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tidings-up-"))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


class Up:
    """A running `tidings up` and what it has printed so far."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.printed: list[str] = []

    async def says(self, words: str) -> str:
        """Reads on until a line holds these words, and returns it."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode().strip():
            self.printed.append(line)
            if words in line:
                return line
        raise AssertionError(f"it ended without {words!r}: {self.printed}\n{self.log.read_text()}")

    async def url(self) -> str:
        line = await self.says("tidings is up")
        return next(word for word in line.split() if word.startswith("http://"))

    async def stop(self) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        return await self.process.wait()


@asynccontextmanager
async def up(data_dir: Path, *options: str) -> AsyncIterator[Up]:
    log = data_dir.with_name("up.log")
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *(*TIDINGS, "up", "--port", "0", "--data-dir", str(data_dir), *options),
            env=QUIET,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
        )
    try:
        yield Up(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await until(lambda: on_directory(data_dir) == [])


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if alive(int(child))]


async def test_the_demo_delivers_fifteen_messages_and_ctrl_c_leaves_nothing(data_dir: Path) -> None:
    async with up(data_dir, "--demo") as running:
        url = await running.url()
        assert f"dashboard: {url}/  (open to this machine" in await running.says("dashboard")
        await running.says("all 15 sample messages are delivered")
        async with ApiClient(url) as api:
            page = await api.get("/api/v1/messages", {"status": "sent"})
        assert len(page["messages"]) == 15
        assert {message["receipt"] for message in page["messages"]} == {"delivered"}
        assert sum("gateway: ✓" in line for line in running.printed) == 15
        started = children(running.process.pid)
        # The two stores, API, producer, two consumers, gateway.
        assert len(started) == 7
        assert await running.stop() == 0
        assert not any(map(alive, started))
    async with up(data_dir, "--demo") as running:
        await running.says("were sent before")
        assert await running.stop() == 0


async def test_a_kill_leaves_nothing_running_and_the_next_start_goes_on(data_dir: Path) -> None:
    tomorrow = (utc_now() + timedelta(days=1)).isoformat()
    async with up(data_dir) as running:
        async with ApiClient(await running.url()) as api:
            kept = await api.post(
                "/api/v1/messages",
                {"channel": "echo", "recipient": "me", "content": "hi", "due_at": tomorrow},
            )
        started = children(running.process.pid)
        running.process.kill()
        await until(lambda: not any(map(alive, started)))
    async with up(data_dir) as running:
        async with ApiClient(await running.url()) as api:
            assert (await api.get(f"/api/v1/messages/{kept['id']}"))["status"] == "pending"
        assert await running.stop() == 0


async def test_whatever_dies_is_started_again(data_dir: Path) -> None:
    async with up(data_dir, "--consumers", "1") as running:
        url = await running.url()
        for victim in children(running.process.pid):
            os.kill(victim, signal.SIGKILL)
        async with ApiClient(url) as api, asyncio.timeout(40):
            await until(lambda: len(children(running.process.pid)) == 5)
            while True:
                try:
                    await api.get("/health/ready")
                except Exception:  # noqa: BLE001  whatever goes wrong meanwhile
                    await asyncio.sleep(0.05)
                else:
                    break
        assert await running.stop() == 0


async def test_a_port_in_use_is_one_line_and_exit_code_2(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await asyncio.create_subprocess_exec(
            *(*TIDINGS, "up", "--port", str(taken.getsockname()[1]), "--data-dir", str(data_dir)),
            env=QUIET,
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaint = await process.communicate()
    assert process.returncode == 2
    assert complaint.startswith(b"tidings: PORT: ")
    assert complaint.count(b"\n") == 1
    assert not data_dir.exists()  # noqa: ASYNC240


async def test_a_setting_that_a_process_refuses_ends_everything(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(QUIET, "HOST", "0.0.0.0")
    process = await asyncio.create_subprocess_exec(
        *(*TIDINGS, "up", "--port", "0", "--data-dir", str(data_dir)),
        env=QUIET,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await process.communicate()
    assert process.returncode == 2
    assert b"SECRET_KEY" in complaint
    assert on_directory(data_dir) == []
