"""The receiver as a figure sees it: started, asked, reset."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec

from benchmarks.rig.child import Child
from benchmarks.rig.patience import until


class Counts(msgspec.Struct, frozen=True):
    """What has arrived on one port since the last reset."""

    count: int
    open: int
    """Requests that hang at present."""
    first: float | None
    last: float | None
    """Unix times of the first and the last arrival."""
    repeats: int
    """Arrivals of a number that had arrived before, where the receiver was told to remember."""


class Gateway:
    """A running receiver."""

    def __init__(self, child: Child, ports: Sequence[str], control: int, http: aiohttp.ClientSession) -> None:
        self.child = child
        self.urls = [f"http://127.0.0.1:{port}/messages" for port in ports]
        self._ports = ports
        self._control = f"http://127.0.0.1:{control}"
        self._http = http

    @classmethod
    async def start(cls, folder: Path, *, ports: int = 1) -> Self:
        child = await Child.start("benchmarks.rig.receiver", f"--ports={ports}", folder=folder)
        ready = await child.said()
        return cls(child, ready["ports"], ready["control"], aiohttp.ClientSession())

    @property
    def url(self) -> str:
        """Where an SMS gateway would take its messages."""
        return self.urls[0]

    async def stop(self) -> None:
        await self._http.close()
        await self.child.stop()

    async def reset(self) -> None:
        """Forgets everything that arrived, and no longer hangs."""
        await self._call("POST", "/release")
        await self._call("POST", "/reset")

    async def remember(self) -> None:
        """From now on notes when each numbered message arrives."""
        await self._call("POST", "/remember")

    async def hang(self, index: int = 0) -> None:
        """From now on lets requests to one port hang, until the next reset."""
        await self._call("POST", f"/hang/{self._ports[index]}")

    async def counts(self) -> list[Counts]:
        """By port, in the order of `urls`."""
        answer = await self._call("GET", "/counts")
        return [msgspec.convert(answer[str(port)], Counts) for port in self._ports]

    async def arrivals(self) -> dict[int, float]:
        """Unix times of arrival by number."""
        return {int(number): at for number, at in (await self._call("GET", "/arrivals")).items()}

    async def received(self, count: int, *, within: float, ports: slice = slice(None)) -> float:
        """Waits until these ports together have got so many; returns the Unix time of the last arrival."""

        async def look() -> bool:
            return sum(each.count for each in (await self.counts())[ports]) >= count

        await until(look, within=within)
        return max(each.last for each in (await self.counts())[ports] if each.last is not None)

    async def _call(self, method: str, path: str) -> Any:
        async with self._http.request(method, self._control + path) as response:
            return msgspec.json.decode(await response.read())


class Hosts(Gateway):
    """A running `rig/hosts.py`; what is asked by port of a receiver is asked by manner of this one."""

    _port: int
    _scheme: str

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, *, certificates: Path | None = None) -> AsyncIterator[Self]:
        """It ends with the context."""
        arguments = () if certificates is None else (f"--certificates={certificates}",)
        child = await Child.start("benchmarks.rig.hosts", *arguments, folder=folder)
        try:
            ready = await child.said()
        except BaseException:
            await child.stop()
            raise
        hosts = cls(child, ready["ports"], ready["control"], aiohttp.ClientSession())
        hosts._port, hosts._scheme = ready["port"], "http" if certificates is None else "https"
        try:
            yield hosts
        finally:
            await hosts.stop()

    def host_url(self, host: int, path: str) -> str:
        """A path of one of the hosts, which are numbered from 0."""
        return f"{self._scheme}://{address(host)}:{self._port}/{path}"

    async def counted(self) -> dict[str, Counts]:
        """By manner."""
        return dict(zip(self._ports, await self.counts(), strict=True))

    async def arrivals_at(self, manner: str) -> dict[int, float]:
        """Unix times of arrival of what was treated so, by number."""
        return {int(number): at for number, at in (await self._call("GET", f"/arrivals/{manner}")).items()}


def address(host: int) -> str:
    """Of the hosts that are numbered from 0, up to 65,025."""
    return f"127.1.{host // 255}.{host % 255}"
