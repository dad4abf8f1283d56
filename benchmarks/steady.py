"""Figure 13: what a message costs, and how late it is, when messages come due at a steady rate.

Beside the twelve that goals were set for. Under a backlog every batch is full; a steady flow decides itself how full
they are, and a message that travels alone pays for all the round trips of a batch (`producer/claimer.py`). Two
consumers and a producer, eight seconds of each rate; CPU time and commands cover everything from the first due time to
the last outcome on record.

What would make it lie: consumers that are idle cost a little too, which at the lowest rate is counted to few messages.
"""

import asyncio
import statistics
from datetime import timedelta

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.meters import RedisMeter
from benchmarks.rig.system import system
from tidings.domain.timestamps import utc_now

MILLI, MICRO = 1e3, 1e6
LEAD = timedelta(seconds=2)


async def measure(current: Round) -> Numbers:
    numbers: dict[str, float] = {}
    for rate in current.pick((100, 1_000, 2_000, 4_000), (100,)):
        numbers |= await _flow(current, rate, timedelta(seconds=current.pick(8, 1)))
    return numbers


async def _flow(current: Round, rate: int, spread: timedelta) -> Numbers:
    machine = current.machine
    count = round(rate * spread.total_seconds())
    redis = RedisMeter(machine.redis)
    async with system(machine) as running:
        await asyncio.gather(running.start_consumers(2), running.start_producer())
        await running.warm_up()
        await machine.gateway.remember()
        first = utc_now() + LEAD
        await running.database.put_waiting(count, due_at=first, spread=spread)
        await redis.start()
        before = running.cpu()
        await machine.gateway.received(count, within=(LEAD + spread).total_seconds() + 30)
        arrivals = await machine.gateway.arrivals()
        await running.settled()
        cpu, commands = running.cpu() - before, await redis.commands()
    late = sorted(arrivals[number] - (first + spread * number / count).timestamp() for number in range(count))
    each = MICRO / count
    return {
        f"{rate:,}/s: median lateness (ms)": statistics.median(late) * MILLI,
        f"{rate:,}/s: 99th percentile (ms)": late[int(count * 0.99)] * MILLI,
        f"{rate:,}/s: consumers and producer (µs/message)": (cpu.consumers + cpu.producer) * each,
        f"{rate:,}/s: Postgres (µs/message)": cpu.postgres * each,
        f"{rate:,}/s: Redis (commands/message)": commands.total() / count,
    }
