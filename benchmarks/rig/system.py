"""tidings, every process a real one, on a database of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec

from benchmarks.rig.child import Child
from benchmarks.rig.machine import Database, Machine
from benchmarks.rig.meters import cpu_seconds
from benchmarks.rig.patience import until
from sql.store import Store

SETTLE_SECONDS: Final = 120.0
WARM_UP: Final = 200
"""Messages that each consumer delivers before anything is measured: connections are open then, code is loaded."""


class CpuTimes(msgspec.Struct, frozen=True):
    """CPU seconds by kind of process."""

    consumers: float
    producer: float
    postgres: float
    redis: float

    def __sub__(self, other: "CpuTimes") -> "CpuTimes":
        return CpuTimes(*(getattr(self, name) - getattr(other, name) for name in self.__struct_fields__))


class System:
    """What runs on one database; the measurement starts the processes that it wants."""

    def __init__(self, machine: Machine, database: Database, store: Store, exits: AsyncExitStack) -> None:
        self.machine = machine
        self.database = database
        self.store = store
        self.consumers: list[Child] = []
        self.producers: list[Child] = []
        self.url = ""
        """Of the API."""
        self._exits = exits
        self._environ = {
            "POSTGRES_URI": database.uri,
            "REDIS_URI": machine.stores.redis_uri,
            "DATA_DIR": str(machine.stores.data_dir),
            "WEBHOOK_URL": machine.gateway.url,
            "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
            "WEBHOOK_UNSIGNED": "true",
            "ENVIRONMENT": "development",
            "LOG_LEVEL": "INFO",
            "PORT": "0",
            "TRUST_THIS_MACHINE": "true",
        }

    async def start_api(self, module: str = "api") -> Child:
        """The API, or what takes its place."""
        child = await self._start(module, "api")
        await child.logged("api is ready")
        self.url = (await child.logged(r"http://127\.0\.0\.1:\d+"))[0]
        return child

    async def start_producer(self) -> None:
        child = await self._start("producer", "producer")
        await child.logged("producer is ready")
        self.producers.append(child)

    async def start_consumers(self, count: int, **environ: str) -> None:
        """Side by side."""

        async def start(number: int) -> Child:
            child = await self._start("consumers", f"consumer-{number}", CONSUMER_NAME=f"c{number}", **environ)
            await child.logged("consumer is ready")
            return child

        first = len(self.consumers)
        self.consumers += await asyncio.gather(*(start(first + number) for number in range(count)))

    async def hold(self) -> None:
        """Nothing is claimed until `release`."""
        await self.store.queues.set_active("default", active=False)

    async def release(self) -> float:
        """Starts the queue; returns the Unix time."""
        at = time.time()
        await self.store.queues.set_active("default", active=True)
        return at

    async def settled(self) -> None:
        """Waits until everything due has its outcome on record."""

        async def look() -> bool:
            return not await self.database.run("under_way")

        await until(look, within=SETTLE_SECONDS)

    async def warm_up(self) -> None:
        """Delivers some messages through every consumer, and forgets them."""
        await self.database.put_waiting(WARM_UP * max(len(self.consumers), 1))
        await self.settled()
        await self.machine.gateway.reset()

    def cpu(self) -> CpuTimes:
        """What each kind has used so far."""
        return CpuTimes(
            consumers=sum(cpu_seconds(child.ps) for child in self.consumers),
            producer=sum(cpu_seconds(child.ps) for child in self.producers),
            postgres=cpu_seconds(self.machine.store_process("postgres")),
            redis=cpu_seconds(self.machine.store_process("valkey-server")),
        )

    async def _start(self, module: str, name: str, **environ: str) -> Child:
        child = await Child.start(
            module, folder=self.machine.folder, name=f"{name}-{id(self)}", environ={**self._environ, **environ}
        )
        self._exits.push_async_callback(child.stop)
        return child


@asynccontextmanager
async def system(machine: Machine) -> AsyncIterator[System]:
    """A system on a fresh database; its processes stop with it."""
    async with AsyncExitStack() as exits:
        database = await machine.fresh(exits)
        store = await Store.connect(database.uri, process="benchmark", lease_seconds=10)
        exits.push_async_callback(store.close)
        yield System(machine, database, store, exits)
