"""Figure 19: how long it takes to cancel, and then to retry, 100,000 messages in one go.

They wait in a queue of their own beside a million others, and beside as many that were sent; `POST …/messages/cancel`
with `wait` false begins, and the change says when it is through.

What would make it lie: nothing else happens meanwhile, so each step has the whole machine.
"""

import asyncio
import time
from typing import Final

import aiohttp

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.system import system

WITHIN_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.02
OTHERS_AT_ONCE: Final = 250_000


async def change(http: aiohttp.ClientSession, url: str, action: str, wanted: dict[str, object]) -> tuple[float, int]:
    """Seconds, and how many were changed."""
    began = time.perf_counter()
    async with http.post(f"{url}/api/v1/messages/{action}", json={**wanted, "wait": False}) as response:
        response.raise_for_status()
        path = response.headers["Location"]
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            async with http.get(f"{url}{path}") as response:
                found = await response.json()
            if found["state"] != "running":
                return time.perf_counter() - began, found["count"]
            await asyncio.sleep(POLL_SECONDS)


async def measure(current: Round) -> Numbers:
    count, others = current.pick((100_000, 1_000_000), (2_000, 2_000))
    async with system(current.machine) as running, aiohttp.ClientSession() as http:
        await running.start_api()
        await running.store.queues.put("newsletter", active=True, interval_seconds=0, batch_size=None)
        for _ in range(0, others, OTHERS_AT_ONCE):
            await running.database.put_waiting(min(others, OTHERS_AT_ONCE))
            await running.database.run("put_finished", count=min(others, OTHERS_AT_ONCE))
        await running.database.run("put_in_queue", count=count, queue="newsletter")
        await running.database.run("checkpoint")
        cancelled, some = await change(http, running.url, "cancel", {"queue": "newsletter"})
        retried, same = await change(http, running.url, "retry", {"queue": "newsletter"})
    if (some, same) != (count, count):
        raise AssertionError(f"{some} were cancelled and {same} retried, not {count}")
    return {f"cancel {count:,} (s)": cancelled, f"retry {count:,} (s)": retried}
