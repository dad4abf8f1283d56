"""Figure 20: from a POST to the receiver beside 10,000 empty queues, as figure 5 measures it with one.

What would make it lie: see figure 5. Half of the empty queues have a pace, which a claim has to think of.
"""

import asyncio
import random
import statistics
import time

import aiohttp

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.system import system

MILLI = 1e3


async def measure(current: Round) -> Numbers:
    numbers: dict[str, float] = {}
    for queues in current.pick((1, 10_000), (100,)):
        count = current.pick(100, 5)
        gateway = current.machine.gateway
        async with system(current.machine) as running, aiohttp.ClientSession() as http:
            await running.database.run("put_queues", count=queues - 1)
            await asyncio.gather(running.start_api(), running.start_producer(), running.start_consumers(1))
            await running.warm_up()
            await gateway.remember()
            sent = []
            for number in range(count):
                await asyncio.sleep(random.uniform(0.05, 0.15))
                message = {"channel": "sms", "recipient": "+4915112345678", "content": f"#{number} hello"}
                sent.append(time.time())
                async with http.post(f"{running.url}/api/v1/messages", json=message) as response:
                    response.raise_for_status()
                await gateway.received(number + 1, within=10)
            arrivals = await gateway.arrivals()
            began = time.perf_counter()
            async with http.get(f"{running.url}/api/v1/overview") as response:
                size = len(await response.read())
            numbers[f"{queues:,} queues: an overview (ms)"] = (time.perf_counter() - began) * MILLI
            numbers[f"{queues:,} queues: an overview (kB)"] = size / 1000
        took = sorted(arrivals[number] - sent[number] for number in range(count))
        numbers[f"{queues:,} queues: POST to receiver, median (ms)"] = statistics.median(took) * MILLI
    return numbers
