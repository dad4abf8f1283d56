"""Figure 18: how long a page of a list takes, by every filter and every pair of them, as rows pile up.

Messages of 60 days lie in the table, put in in the order of time, all but one in a hundred of them sent. Each value
that is filtered by is rare: a user among a thousand, a recipient of twenty messages, a queue, a channel and each state
in one message of ten thousand or fewer. A page of 50 is asked of the store for each filter and pair, again and again,
with other users and recipients each time; with 10⁴ and 10⁶ rows, and 10⁷ with `--large` (ten minutes, 10 GB). Then
messages are posted one by one, first alone, then while 16 clients ask the same API for such pages without a pause.

What would make it lie: rows that all lie in memory. So they do here, as far as the machine has enough; a disk adds its
own time for some dozen pages of each list. And the 16 clients are of this process, which takes processor from the API
that they ask, from Postgres, and from the POSTs that are measured.
"""

import asyncio
import itertools
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import aiohttp
import msgspec

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.system import System, system
from sql.lists import MessageFilter
from tidings.domain.states import HeldReason, Status
from tidings.domain.timestamps import utc_now

MILLI = 1e3
DAYS: Final = 60
AT_ONCE: Final = 250_000
USERS: Final = 1000
PAGE: Final = 50
ROUNDS: Final = 5
MESSAGES_OF_A_RECIPIENT: Final = 20
CLIENTS: Final = 16
MESSAGE: Final = {"channel": "sms", "recipient": "+4915112345678", "content": "hello"}


def filters(chance: random.Random, rows: int) -> Iterator[tuple[str, MessageFilter]]:
    """Each filter and each pair, with a user and a recipient of their own."""
    choices: dict[str, Any] = {
        "user_id": UUID(int=chance.randrange(USERS)),
        "status": chance.choice(list(Status)),
        "channel": "echo",
        "queue": "rare",
        "recipient": f"+49{chance.randrange(max(rows // MESSAGES_OF_A_RECIPIENT, 1)):012}",
        "held": HeldReason.BREAKER,
    }
    yield "none", MessageFilter()
    for name, value in choices.items():
        yield name, MessageFilter(**{name: value})
    for (one, a), (other, b) in itertools.combinations(choices.items(), 2):
        yield f"{one} and {other}", MessageFilter(**{one: a, other: b})


async def lists(running: System, rows: int) -> Numbers:
    """Milliseconds a page."""
    chance = random.Random(rows)
    took: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, wanted in filters(chance, rows):
            began = time.perf_counter()
            await running.store.messages.page(wanted, before=None, limit=PAGE)
            took[name].append((time.perf_counter() - began) * MILLI)
    every = sorted(itertools.chain.from_iterable(took.values()))
    slowest = max(took, key=lambda name: statistics.median(took[name]))
    return {
        f"{rows:,} rows, every filter and pair: median (ms)": statistics.median(every),
        f"{rows:,} rows, every filter and pair: 99th percentile (ms)": every[int(len(every) * 0.99)],
        f"{rows:,} rows, {slowest}, the slowest: median (ms)": statistics.median(took[slowest]),
    }


async def posts(running: System, rows: int, count: int) -> Numbers:
    """Milliseconds of a POST, alone and beside clients that list."""
    chance = random.Random(rows)
    listed = 0
    async with aiohttp.ClientSession(f"{running.url}/api/v1/", timeout=aiohttp.ClientTimeout(60)) as http:

        async def post() -> float:
            began = time.perf_counter()
            async with http.post("messages", json=MESSAGE) as response:
                await response.read()
                response.raise_for_status()
            return (time.perf_counter() - began) * MILLI

        async def list_on() -> None:
            nonlocal listed
            while True:
                for _, wanted in filters(chance, rows):
                    if wanted.user_id is not None:  # whose key it is decides, no parameter
                        continue
                    asked = {name: str(value) for name, value in msgspec.structs.asdict(wanted).items() if value}
                    async with http.get("messages", params=asked) as response:
                        await response.read()
                        response.raise_for_status()
                    listed += 1

        await post()
        alone = sorted([await post() for _ in range(count)])
        clients = [asyncio.create_task(list_on()) for _ in range(CLIENTS)]
        began = time.perf_counter()
        beside = sorted([await post() for _ in range(count)])
        seconds = time.perf_counter() - began
        for client in clients:
            if client.done():
                await client
            client.cancel()
        await asyncio.wait(clients)
    return {
        f"{rows:,} rows, a POST alone: median (ms)": statistics.median(alone),
        f"{rows:,} rows, a POST alone: 99th percentile (ms)": alone[int(count * 0.99)],
        f"{rows:,} rows, a POST while {CLIENTS} clients list: median (ms)": statistics.median(beside),
        f"{rows:,} rows, a POST while {CLIENTS} clients list: 99th percentile (ms)": beside[int(count * 0.99)],
        f"{rows:,} rows, pages listed meanwhile (pages/s)": listed / seconds,
    }


async def measure(current: Round) -> Numbers:
    numbers: dict[str, float] = {}
    sizes = current.pick((10_000, 1_000_000), (2_000,))
    for rows in (*sizes, 10_000_000) if current.large else sizes:
        async with system(current.machine) as running:
            await running.store.queues.put("rare", active=True, interval_seconds=0, batch_size=None)
            await running.store.maintenance.make_partitions(utc_now() - timedelta(days=DAYS + 1), utc_now())
            for there in range(0, rows, AT_ONCE):
                more = min(rows - there, AT_ONCE)
                await running.database.run("put_mixed", first=there, count=more, days=DAYS, users=USERS, rows=rows)
            await running.database.run("analyze")
            size = await running.database.run("list_index_bytes")
            numbers[f"{rows:,} rows, indexes of lists (bytes/message)"] = float(size) / rows
            await lists(running, rows)  # connections, plans, and what was not in memory
            numbers.update(await lists(running, rows))
            await running.start_api()
            numbers.update(await posts(running, rows, current.pick(500, 5)))
    return numbers
