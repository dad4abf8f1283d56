"""The least that delivering over aiohttp can cost: one process that POSTs the same body in a loop, 64 in flight.

    python -m benchmarks.peers.bare_client --url http://127.0.0.1:9000/messages

No store, no retries, no records. Prints one line of JSON: the seconds, and its own CPU seconds.
"""

import argparse
import asyncio
import sys
import time
from typing import Final

import aiohttp
import msgspec
import uvloop

IN_FLIGHT: Final = 64
WARM_UP: Final = 500
BODY: Final = (
    b'{"to":"+4915112345678","content":"#1234 Your parcel arrives today between 14:00 and 16:00. '
    b'Track it at https://parcels.example/4711"}'
)
HEADERS: Final = {"Content-Type": "application/json"}


async def post(session: aiohttp.ClientSession, url: str, count: int) -> None:
    """Sends that many requests, reading each answer."""
    numbers = iter(range(count))

    async def client() -> None:
        for _ in numbers:
            async with session.post(url, data=BODY, headers=HEADERS) as response:
                await response.read()

    await asyncio.gather(*(client() for _ in range(IN_FLIGHT)))


async def main(url: str, count: int) -> dict[str, float]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:
        await post(session, url, WARM_UP)
        began, cpu = time.perf_counter(), time.process_time()
        await post(session, url, count)
        return {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, default=20_000)
    asked = parser.parse_args()
    sys.stdout.write(msgspec.json.encode(uvloop.run(main(asked.url, asked.count))).decode() + "\n")
