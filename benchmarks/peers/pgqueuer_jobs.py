"""PgQueuer with one job per message: a queue in Postgres alone, tuned.

    python -m benchmarks.peers.pgqueuer_jobs --url http://127.0.0.1:9000/messages --batch-size 50

A worker takes jobs in batches, POSTs each over aiohttp, and PgQueuer logs and deletes what is done, in groups of the
batch's size. Its log is the only record; no attempt is kept and nothing guards against sending twice: less than ours
does. Tuned: uvloop, a pool of connections, durable tables (its default), several batch sizes tried by
`queue_comparison.py`. Prints one line of JSON when it is ready.
"""

import argparse
import asyncio
import os
from datetime import timedelta
from typing import Final

import aiohttp
import asyncpg
import msgspec
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job

ENTRYPOINT: Final = "deliver"
IN_FLIGHT: Final = 128


async def work(url: str, batch_size: int) -> None:
    """Runs a worker until it is killed."""
    pool = await asyncpg.create_pool(os.environ["POSTGRES_URI"], min_size=4, max_size=4)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as http:
        queuer = PgQueuer(AsyncpgPoolDriver(pool))

        @queuer.entrypoint(ENTRYPOINT)
        async def deliver(job: Job) -> None:
            async with http.post(url, data=job.payload, headers={"Content-Type": "application/json"}) as answer:
                await answer.read()

        print(msgspec.json.encode({"ready": True}).decode(), flush=True)
        await asyncio.shield(queuer.run(dequeue_timeout=timedelta(seconds=1), batch_size=batch_size))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--batch-size", type=int, default=10)
    asked = parser.parse_args()
    uvloop.run(work(asked.url, asked.batch_size))
