"""A whole tidings, each process a real one, on the test's own stores."""

import asyncio
import itertools
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import aiohttp
import msgspec

from tests.eventually import eventually
from tidings.settings import Settings

STOP_SECONDS = 30.0


class Process:
    """One process of tidings; its log goes to a file."""

    def __init__(self, module: str, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.module = module
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, module: str, environ: Mapping[str, str], log: Path) -> Self:
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, env=environ, stderr=file)
        return cls(module, environ.get("CONSUMER_NAME", module), process, log)

    def log(self) -> str:
        return self._log.read_text("utf-8")

    async def says(self, pattern: str) -> re.Match[str]:
        """Waits until the log has a line like that."""

        async def look() -> re.Match[str] | None:
            if self._process.returncode is not None:
                raise AssertionError(f"{self.module} ended with {self._process.returncode}:\n{self.log()}")
            return re.search(pattern, self.log())

        found = await eventually(look, within=60)
        assert found is not None
        return found

    def signal(self, signum: int) -> None:
        self._process.send_signal(signum)

    async def kill(self) -> None:
        """SIGKILL, and waits for the end."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            return await asyncio.wait_for(self._process.wait(), timeout=STOP_SECONDS)
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"{self.module} did not stop:\n{self.log()}") from None

    @property
    def running(self) -> bool:
        return self._process.returncode is None


class System:
    """API, producers and consumers, as many as a test starts. All of them stop with it."""

    def __init__(self, settings: Settings, folder: Path, **environ: str) -> None:
        self.settings = settings
        self.url = ""
        self._folder = folder
        self._processes: list[Process] = []
        self._logs = itertools.count(1)
        self._exits = AsyncExitStack()
        self._environ = {
            **{name: value for name, value in os.environ.items() if name.upper() not in _SETTINGS},
            "POSTGRES_URI": settings.postgres_uri,
            "REDIS_URI": settings.redis_uri,
            "DATA_DIR": str(settings.data_dir),
            "WEBHOOK_UNSIGNED": "true",
            "PORT": "0",
            "TRUST_THIS_MACHINE": "true",
            **environ,
        }

    async def __aenter__(self) -> Self:
        self.http = await self._exits.enter_async_context(aiohttp.ClientSession())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()
        for process in reversed(self._processes):
            if process.running:
                # A test may have paused it.
                process.signal(signal.SIGCONT)
                await process.stop()

    async def start_api(self) -> Process:
        api = await self.start("api", r"api is ready.*?(http://[\d.:]+)")
        found = await api.says(r"(http://127\.0\.0\.1:\d+)")
        self.url = found[1]
        return api

    async def start_producer(self, **environ: str) -> Process:
        return await self.start("producer", "producer is ready", **environ)

    async def start_consumer(self, name: str = "c1", **environ: str) -> Process:
        return await self.start("consumers", "consumer is ready", CONSUMER_NAME=name, **environ)

    async def start_all(self, *, consumers: int = 2) -> None:
        """One API, one producer and that many consumers, side by side."""
        await asyncio.gather(
            self.start_api(),
            self.start_producer(),
            *(self.start_consumer(f"c{number}") for number in range(1, consumers + 1)),
        )

    def processes(self, module: str) -> list[Process]:
        """Those of one kind, in the order in which they were started."""
        return [process for process in self._processes if process.module == module]

    async def post(self, **message: object) -> str:
        """Posts one message; answers its id."""
        return str((await self.call("POST", "/api/v1/messages", message, expect=201))["id"])

    async def call(self, method: str, path: str, body: object = None, *, expect: int = 200) -> "dict[str, object]":
        async with self.http.request(method, self.url + path, json=body) as response:
            text = await response.text()
            assert response.status == expect, f"{method} {path}: {response.status} {text}"
            answer: dict[str, object] = msgspec.json.decode(text)
            return answer

    async def message(self, message_id: str) -> "dict[str, object]":
        return await self.call("GET", f"/api/v1/messages/{message_id}")

    async def until_status(self, message_id: str, status: str, *, within: float = 20.0) -> "dict[str, object]":
        async def look() -> "dict[str, object] | None":
            message = await self.message(message_id)
            return message if message["status"] == status else None

        found = await eventually(look, within=within)
        assert found is not None
        return found

    async def start(self, module: str, ready: str, **environ: str) -> Process:
        """Starts `python -m module`, and returns when its log has a line like `ready`."""
        log = self._folder / f"{next(self._logs):02}-{environ.get('CONSUMER_NAME', module)}.log"
        process = await Process.start(module, {**self._environ, **environ}, log)
        self._processes.append(process)
        await process.says(ready)
        return process


_SETTINGS = {name.upper() for name in Settings.__struct_fields__}
