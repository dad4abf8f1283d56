"""The `tidings up` that is besieged: real processes on loopback, with registration open, and their memory."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import psutil
import yaml

from tests.processes import on_directory, until

ROOT: Final = Path(__file__).parents[2]
TIDINGS: Final = (sys.executable, "-c", "import sys; from tidings.cli import main; sys.exit(main())")
OPERATORS_KEY: Final = "the key of the operator, under siege"
START_SECONDS: Final = 120.0
KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR", "USER")
KINDS: Final[Mapping[str, str]] = {
    "-m api": "api",
    "-m producer": "producer",
    "-m consumers": "consumers",
    "postgres": "postgres",
    "valkey": "redis",
    "redis": "redis",
}
_MIB: Final = {"M": 1, "Mi": 1, "G": 1024, "Gi": 1024}


class Memory(msgspec.Struct, frozen=True):
    """The most that one process has had, or all of a store's together, and what compose and Kubernetes give it."""

    mib: float
    limit_mib: float


class House:
    """The processes, and where they serve."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self._process = process
        self._peaks: dict[str, float] = {}
        self.gone: set[str] = set()

    async def watch(self) -> None:
        """Reads the memory of all processes twice a second, until it is cancelled."""
        while True:
            await asyncio.to_thread(self._read)
            await asyncio.sleep(0.5)

    def memory(self) -> dict[str, Memory]:
        """The peaks by kind of process."""
        limits = shipped_limits()
        return {kind: Memory(mib, limits[kind]) for kind, mib in sorted(self._peaks.items())}

    def _read(self) -> None:
        stores: dict[str, float] = {}
        for child in psutil.Process(self._process.pid).children(recursive=True):
            try:
                kind = _kind(" ".join(child.cmdline()))
                if kind is None:
                    continue
                if kind == "postgres":
                    # Its processes share most of their pages, each of which counts once.
                    stores[kind] = stores.get(kind, 0.0) + _proportional_mib(child.pid)
                else:
                    self._peak(kind, child.memory_info().rss / 2**20)
            except (psutil.Error, OSError):
                continue
        for kind, mib in stores.items():
            self._peak(kind, mib)

    def _peak(self, kind: str, mib: float) -> None:
        self._peaks[kind] = max(self._peaks.get(kind, 0.0), mib)


@asynccontextmanager
async def house(folder: Path, **environ: str) -> AsyncIterator[House]:
    """Starts one with a consumer, and stops it."""
    data_dir, log = folder / "data", folder / "up.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(*TIDINGS, "up", "--port", "0", "--data-dir", str(data_dir), "--consumers", "1"),
            env={
                **{name: os.environ[name] for name in KEPT if name in os.environ},
                "API_KEY": OPERATORS_KEY,
                "REGISTRATION": "open",
                "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
                "USER_CHANNELS": "webhook,email",
                **environ,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
        )
    try:
        async with asyncio.timeout(START_SECONDS):
            yield_to = House(process, await _url(process, log))
        yield yield_to
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(START_SECONDS):
                    await process.communicate()
            except TimeoutError:
                process.kill()
                await process.communicate()
        await until(lambda: on_directory(data_dir) == [])


def shipped_limits() -> dict[str, float]:
    """MiB for each kind of process: the smaller one of what compose and Kubernetes give it."""
    compose = yaml.safe_load((ROOT / "compose" / "docker-compose.yaml").read_text("utf-8"))["services"]
    found: dict[str, list[float]] = {}
    for name, service in compose.items():
        kind = {"consumer": "consumers"}.get(name, name)
        if kind in KINDS.values():
            limit = service.get("deploy", {}).get("resources", {}).get("limits", {}).get("memory")
            found.setdefault(kind, []).extend([_mib(limit)] if limit else [])
    for kind in ("api", "producer", "consumers"):
        for document in yaml.safe_load_all((ROOT / "kubernetes" / "base" / f"{kind}.yaml").read_text("utf-8")):
            if document["kind"] in {"Deployment", "StatefulSet"}:
                [container] = document["spec"]["template"]["spec"]["containers"]
                found.setdefault(kind, []).append(_mib(container["resources"]["limits"]["memory"]))
    return {kind: min(limits) for kind, limits in found.items()}


def _mib(text: str) -> float:
    found = re.fullmatch(r"(\d+)(M|Mi|G|Gi)", text)
    assert found is not None, text
    return int(found[1]) * _MIB[found[2]]


def _kind(command: str) -> str | None:
    return next((kind for words, kind in KINDS.items() if words in command), None)


def _proportional_mib(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8")
    found = re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


async def _url(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if "tidings is up" in line:
            return next(word for word in line.split() if word.startswith("http://"))
    said = await asyncio.to_thread(log.read_text, "utf-8")
    raise AssertionError(f"it ended: {said}")
