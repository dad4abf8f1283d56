"""One round: a whole tidings under a steady flow, one fault at a random moment, recovery, and the books."""

import asyncio
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import asyncpg
import msgspec
import pytest

from tests.chaos.books import Balance, Books
from tests.chaos.counting_receiver import Manner
from tests.chaos.flow import Flow
from tests.chaos.receiver import CountingReceiver
from tests.chaos.stores import ChaosStores
from tests.chaos.verdicts import Verdict
from tests.e2e.system import Process, System
from tests.eventually import eventually
from tidings.settings import Settings

RATE: Final = 40.0
"""Messages a second: a load that the machine carries while other things run on it."""
IN_FLIGHT: Final = 16
"""Deliveries in flight per consumer: few, so that a bound of that many means something."""
ANSWER_SECONDS: Final = 0.1
"""How long the receiver takes to answer, so that something is in flight at any moment."""
BURST: Final = 150
"""Messages that come at once, a moment before the fault: they fill the concurrency, and the rest wait behind."""
CALM_SECONDS: Final = 1.0
"""How long the flow goes on after the fault is over."""
SETTLE_SECONDS: Final = 120.0
"""How long the harness waits before it calls a message stuck; what is promised is measured and judged apart."""
TRAVEL_SECONDS: Final = 0.3
"""Time for what a killed process had written to its sockets to be read."""


FAR_FUTURE: Final = 4102444800.0
"""Later than any message is made, by whichever clock."""

Environ = Mapping[str, str]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table: which fault, and what is promised of it."""

    number: str
    fault: str
    recovered_within: float | None = None


class Fault:
    """What a round's fault did, told by the test that caused it."""

    def __init__(self, settled: Callable[[float], Coroutine[Any, Any, float]]) -> None:
        self._settled = settled
        self.recovery: asyncio.Task[float] | None = None
        """Seconds from the end of the fault until all that was made by then was settled."""
        self.may_repeat: set[str] = set()
        self.allowed: int | None = None
        """How many may come twice; None: as many as may_repeat has."""
        self.repeats_anything = False
        """Whether messages may come twice that are not in may_repeat."""
        self.cuts_count = False
        """Whether a request that was not answered allows for one more."""

    def over(self) -> None:
        """The cause is gone, or nothing will remove it: from now on the time to recover runs."""
        self.recovery = asyncio.create_task(self._settled(time.time()))


@dataclass
class Round:
    """Starts the processes, keeps the flow going and balances the books. Times are Unix seconds."""

    row: Row
    _: KW_ONLY
    stores: ChaosStores
    settings: Settings
    folder: Path
    receiver: CountingReceiver
    seed: str

    def __post_init__(self) -> None:
        settings = self.settings
        self.rng = random.Random(self.seed)
        self.books = Books(settings.postgres_uri, settings.redis_uri)
        self.system = System(
            settings,
            self.folder,
            PORT=str(free_port()),
            IN_FLIGHT=str(IN_FLIGHT),
            IN_FLIGHT_PER_DESTINATION=str(IN_FLIGHT),
            LEASE_SECONDS=str(settings.lease_seconds),
            LEASE_RENEWAL_SECONDS=str(settings.lease_renewal_seconds),
            RECONCILE_SECONDS=str(settings.reconcile_seconds),
        )
        self.producers: list[Process] = []
        self.consumers: dict[str, Process] = {}
        self.verdict = Verdict(
            row=self.row.number,
            fault=self.row.fault,
            seed=self.seed,
            messages=0,
            lost=0,
            duplicates=0,
            duplicates_allowed=0,
            recovery_allowed=self.row.recovered_within,
            unfinished=True,
        )

    async def start(
        self,
        *,
        api: Environ = MappingProxyType({}),
        producers: Sequence[Environ] = ({},),
        consumers: Sequence[Environ] = ({}, {}),
    ) -> None:
        """An API, producers and consumers (`c1`, `c2`, …), each with what its environment adds; the flow can begin."""
        names = [f"c{number}" for number in range(1, len(consumers) + 1)]
        await asyncio.gather(
            self.start_api(**api),
            *(self.start_producer(**environ) for environ in producers),
            *(self.start_consumer(name, **environ) for name, environ in zip(names, consumers, strict=True)),
        )
        await self.flow_to(self.system.url)

    async def start_api(self, **environ: str) -> None:
        """Starts the API, or starts it again on the same port."""
        self.api = await self.system.start("api", "api is ready", **environ)
        self.system.url = (await self.api.says(r"(http://127\.0\.0\.1:\d+)"))[1]

    async def start_producer(self, **environ: str) -> None:
        """Starts one producer more."""
        self.producers.append(await self.system.start("producer", "producer is ready", **environ))

    async def start_consumer(self, name: str, **environ: str) -> None:
        """Starts a consumer, or starts one again under its name."""
        ready = "consumer is ready"
        self.consumers[name] = await self.system.start("consumers", ready, CONSUMER_NAME=name, **environ)

    async def flow_to(self, api: str) -> None:
        """What `under_load` will post, to the API there; the receiver takes its time to answer."""
        await self.receiver.behave(Manner(delay=ANSWER_SECONDS))
        self.flow = Flow(api, self.receiver.url, rate=RATE, rng=self.rng)

    async def kill(self, *names: str) -> set[str]:
        """SIGKILL to these consumers at once; returns the messages that may now come twice."""
        for name in names:
            self.consumers[name].signal(signal.SIGKILL)
        await asyncio.gather(*(self.consumers[name].kill() for name in names))
        return await self.unrecorded(names)

    async def unrecorded(self, consumers: Collection[str]) -> set[str]:
        """What dead consumers had brought to the receiver, and neither Postgres nor Redis has on record."""
        await asyncio.sleep(TRAVEL_SECONDS)
        in_hands = await self.books.in_hands(consumers)
        arrived = in_hands & (await self.receiver.arrivals()).keys()
        return arrived - await self.books.with_dedup_record(arrived)

    async def answered_but_unrecorded(self, consumer: str, *, by: float) -> int:
        """How many messages a consumer had an answer for, in the milliseconds before it put that on record."""
        unrecorded = await self.unrecorded([consumer])
        answers = [came[0].answered for key, came in (await self.receiver.arrivals()).items() if key in unrecorded]
        return sum(answered is not None and answered <= by for answered in answers)

    async def moment(self, shortest: float = 0.0, longest: float = 2.0) -> None:
        """Lets a random time pass."""
        await asyncio.sleep(self.rng.uniform(shortest, longest))

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[Fault]:
        """A steady flow around a fault at a random moment; afterwards everything is judged."""
        fault = Fault(self._settled)
        self.flow.start()
        try:
            await self._warm()
            await self.moment()
            await self.flow.burst(BURST)
            await self.moment(0.0, 1.0)
            yield fault
            if fault.recovery is None:
                fault.over()
            assert fault.recovery is not None
            await asyncio.sleep(CALM_SECONDS)
            recovery = await fault.recovery
        finally:
            if fault.recovery is not None:
                fault.recovery.cancel()
            await self.flow.stop()
        await self.settle()
        await self._judge(fault, recovery)

    async def settle(self) -> None:
        """Waits until every message is sent or cancelled, and nothing is under way."""
        await self._settled(FAR_FUTURE)
        await eventually(self._no_batch_left, within=SETTLE_SECONDS, every=0.1)

    async def balance(self) -> Balance:
        """The books as they are now."""
        return await self.books.balance(self.flow.accepted, await self.receiver.arrivals())

    async def _judge(self, fault: Fault, recovery: float) -> None:
        balance = await self.balance()
        if fault.cuts_count:
            arrivals = await self.receiver.arrivals()
            fault.may_repeat = {key for key, came in arrivals.items() if any(each.answered is None for each in came)}
            fault.allowed = sum(each.answered is None for came in arrivals.values() for each in came)
        self.verdict = Verdict(
            row=self.row.number,
            fault=self.row.fault,
            seed=self.seed,
            messages=balance.messages,
            lost=len(balance.lost),
            duplicates=balance.duplicates,
            duplicates_allowed=len(fault.may_repeat) if fault.allowed is None else fault.allowed,
            recovery=recovery if self.row.recovered_within is not None else None,
            recovery_allowed=self.row.recovered_within,
            faults=len(balance.faults) + len(balance.unmarked),
        )
        assert not balance.lost
        assert not balance.faults
        assert balance.duplicates <= self.verdict.duplicates_allowed
        assert fault.repeats_anything or balance.repeated.keys() <= fault.may_repeat
        assert not balance.unmarked
        if self.row.recovered_within is not None:
            assert recovery <= self.row.recovered_within

    async def _warm(self) -> None:
        async def look() -> bool:
            return len(await self.receiver.arrivals()) >= RATE

        await eventually(look, within=30, every=0.1)

    async def _settled(self, until: float) -> float:
        """Waits until what was made up to a moment is sent or cancelled; returns how long after it that was."""
        await eventually(_answered(lambda: self._all_settled(until)), within=SETTLE_SECONDS, every=0.1)
        return time.time() - until

    async def _all_settled(self, until: float) -> bool:
        return await self.books.unsettled(until) == 0

    async def _no_batch_left(self) -> bool:
        return await self.books.batches() == 0


Play = Callable[[ChaosStores], AbstractAsyncContextManager[Round]]
"""Plays a round on these stores."""


def _answered(look: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
    """A look at Postgres that sees nothing while Postgres is away."""

    async def looked() -> bool:
        try:
            return await look()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    return looked


def free_port() -> int:
    """A port that is free now, for a process that is to come back on the same one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def row(number: str, fault: str, *, recovered_within: float | None = None, short: bool = False) -> pytest.MarkDecorator:
    """Marks a test as a round of the table; `short`: also of the short set."""
    line = Row(number=number, fault=fault, recovered_within=recovered_within)
    return pytest.mark.chaos(line, short=short)
