"""The tests' side of the counting receiver: starts the program and asks it what came."""

import asyncio
import subprocess
import sys
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from tests.chaos.counting_receiver import Arrivals, Manner

_decoder = msgspec.json.Decoder(Arrivals)


class CountingReceiver:
    """Use it as an async context manager; nothing but its end makes it forget."""

    def __init__(self) -> None:
        self.url = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.counting_receiver", stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(await self._process.stdout.readline())}/"
        self._http = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.close()
        self._process.kill()
        await self._process.communicate()

    async def behave(self, manner: Manner) -> None:
        async with self._http.put(f"{self.url}manner", data=msgspec.json.encode(manner)) as response:
            response.raise_for_status()

    async def arrivals(self) -> Arrivals:
        async with self._http.get(f"{self.url}arrivals") as response:
            return _decoder.decode(await response.read())
