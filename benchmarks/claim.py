"""Figure 9: how long a claim takes as finished rows pile up, and while a transaction is held open.

A claim takes 1,000 due messages into ten batches; each batch is then taken and finished as a consumer would, so that
every claim meets what the ones before it left behind. The same series of claims is made with 10⁴, 10⁵, 10⁶ and 5·10⁶
finished rows in the table. Then, on the same table, a series of three times the length with another transaction open
from before the first claim to after the last, as a backup or a forgotten session holds one: nothing that is updated
meanwhile can be cleaned up, and a claim that walks over it gets slower with every message, so the last fifth is given
apart. The reference for all is 10⁴ rows.

What would make it lie: a series too short for what it leaves behind to matter, and a checkpoint in the middle of it
(there is one before each). One round holds many claims, and 5·10⁶ rows are put in but once.
"""

import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.system import System, system
from sql.batches import Offer
from sql.low_water import LowWater
from tidings.domain.ids import new_id
from tidings.domain.message import Attempt, Outcome, Priority
from tidings.domain.states import AttemptOutcome, Status
from tidings.domain.timestamps import utc_now

MILLI = 1e3
BATCHES = 10
BATCH_SIZE = 100
CLAIM_LANES = [(priority.value, "default") for priority in Priority]
CONSUMER = "benchmark"
HELD = 3
"""How many times longer the series with a transaction held open is."""
AT_ONCE = 500_000
"""Finished rows in one statement."""


async def claims(running: System, count: int) -> list[float]:
    """Seconds of so many claims, each followed by what consumers do."""
    await running.database.put_waiting(count * BATCHES * BATCH_SIZE)
    await running.database.run("checkpoint")
    took = []
    low_water = LowWater()
    for _ in range(count):
        offers = [Offer(new_id(), CONSUMER) for _ in range(BATCHES)]
        began = time.perf_counter()
        batches = await running.store.batches.claim(CLAIM_LANES, offers, batch_size=BATCH_SIZE, low_water=low_water)
        took.append(time.perf_counter() - began)
        if sum(batch.size for batch in batches) != BATCHES * BATCH_SIZE:
            raise AssertionError("a claim did not find what was put in")
        for batch in batches:
            deliveries = await running.store.batches.take(batch.id, consumer=CONSUMER)
            now = utc_now()
            outcomes = [
                Outcome(
                    message_id=each.id,
                    batch_id=each.batch_id,
                    status=Status.SENT,
                    tries=1,
                    sent_at=now,
                    attempt=Attempt(
                        message_id=each.id,
                        batch_id=each.batch_id,
                        try_number=1,
                        consumer=CONSUMER,
                        started_at=now,
                        duration=0.01,
                        outcome=AttemptOutcome.ACCEPTED,
                        status_code=202,
                        error=None,
                        answer=None,
                    ),
                )
                for each in deliveries
            ]
            await running.store.batches.record(outcomes, closed=[batch.id], consumer=CONSUMER)
    return took


@asynccontextmanager
async def held_transaction(uri: str) -> AsyncIterator[None]:
    """A transaction with a snapshot, open until the end."""
    connection = await asyncpg.connect(uri)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("SELECT count(*) FROM queues")
            yield
    finally:
        await connection.close()


async def measure(current: Round) -> Numbers:
    count = current.pick(50, 3)
    numbers: dict[str, float] = {}
    async with system(current.machine) as running:
        finished = 0
        for rows in current.pick((10_000, 100_000, 1_000_000, 5_000_000), (1_000, 10_000)):
            while finished < rows:
                more = min(rows - finished, AT_ONCE)
                await running.database.run("put_finished", count=more)
                finished += more
            await running.database.run("analyze")
            _note(numbers, f"{rows:,} finished rows", await claims(running, count))
            finished += count * BATCHES * BATCH_SIZE
        async with held_transaction(running.database.uri):
            took = await claims(running, HELD * count)
        _note(numbers, "a transaction held open", took)
        _note(numbers, "a transaction held open, last fifth", took[-max(len(took) // 5, 1) :])
    return numbers


def _note(numbers: dict[str, float], name: str, took: list[float]) -> None:
    numbers[f"{name}: median claim (ms)"] = statistics.median(took) * MILLI
    numbers[f"{name}: slowest claim (ms)"] = max(took) * MILLI
