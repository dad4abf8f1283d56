"""Figure 5: from a POST to the receiver while nothing else happens, one message at a time.

The clock starts when the request is sent and stops at the message's arrival. Between two messages everything goes idle
again: each one pays for the commit, the NOTIFY, the claim, the publisher and the arq worker's poll.

What would make it lie: a client in the same process as the meter that is slow to send (one plain aiohttp session), and
a fixed rhythm that happens to suit a poll interval, so the pauses are random.
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
    count = current.pick(200, 5)
    gateway = current.machine.gateway
    async with system(current.machine) as running, aiohttp.ClientSession() as http:
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
    took = sorted(arrivals[number] - sent[number] for number in range(count))
    return {
        "median (ms)": statistics.median(took) * MILLI,
        "99th percentile (ms)": took[int(count * 0.99)] * MILLI,
        "slowest (ms)": took[-1] * MILLI,
    }
