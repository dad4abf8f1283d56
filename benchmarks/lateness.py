"""Figure 4: how late a message is, when its due time comes while others flow.

5,000 messages are in Postgres, their due times spread evenly over 30 s; one producer and two consumers are idle when
the first is due. Lateness is the receiver's time of arrival minus `due_at`; both are of the same machine's clock.

What would make it lie: with several machines, clocks that differ; here, other work on the machine, which shows in the
99th percentile first.
"""

import asyncio
import statistics
from datetime import timedelta

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.system import system
from tidings.domain.timestamps import utc_now

MILLI = 1e3
LEAD = timedelta(seconds=2)
"""From putting the messages in to the first due time."""


async def measure(current: Round) -> Numbers:
    count, spread = current.pick((5_000, timedelta(seconds=30)), (100, timedelta(seconds=0.3)))
    gateway = current.machine.gateway
    async with system(current.machine) as running:
        await asyncio.gather(running.start_consumers(current.pick(2, 1)), running.start_producer())
        await running.warm_up()
        await gateway.remember()
        first = utc_now() + LEAD
        await running.database.put_waiting(count, due_at=first, spread=spread)
        await gateway.received(count, within=(LEAD + spread).total_seconds() + 30)
        arrivals = await gateway.arrivals()
        await running.settled()
    late = sorted(arrivals[number] - (first + spread * number / count).timestamp() for number in range(count))
    return {
        "earliest (ms)": late[0] * MILLI,
        "median lateness (ms)": statistics.median(late) * MILLI,
        "99th percentile (ms)": late[int(count * 0.99)] * MILLI,
        "latest (ms)": late[-1] * MILLI,
    }
