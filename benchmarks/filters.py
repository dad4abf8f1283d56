"""Figure 18: how long a page of a list takes, by every filter and every pair of them, as rows pile up.

Messages of 60 days lie in the table, all but one in a hundred of them sent. Each value that is filtered by is rare: a
user among a thousand, a recipient of twenty messages, a queue, a channel and each state in one message of ten thousand
or fewer. A page of 50 is asked of the store for each filter and pair, again and again, with other users and recipients
each time; with 10⁴ and 10⁶ rows, and 10⁷ with `--large` (half an hour, 10 GB).

What would make it lie: rows that all lie in memory. So they do here, as far as the machine has enough; a disk adds its
own time for some dozen pages of each list.
"""

import itertools
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

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


async def measure(current: Round) -> Numbers:
    numbers: dict[str, float] = {}
    sizes = current.pick((10_000, 1_000_000), (2_000,))
    async with system(current.machine) as running:
        await running.store.queues.put("rare", active=True, interval_seconds=0, batch_size=None)
        await running.store.maintenance.make_partitions(utc_now() - timedelta(days=DAYS + 1), utc_now())
        there = 0
        for rows in (*sizes, 10_000_000) if current.large else sizes:
            while there < rows:
                more = min(rows - there, AT_ONCE)
                await running.database.run("put_mixed", first=there, count=more, days=DAYS, users=USERS, rows=rows)
                there += more
            await running.database.run("analyze")
            await lists(running, rows)  # connections, plans, and what was not in memory
            numbers.update(await lists(running, rows))
    return numbers
