"""arq with one job per message: the way of doing it that its documentation shows, tuned.

    python -m benchmarks.peers.arq_jobs work --url http://127.0.0.1:9000/messages
    python -m benchmarks.peers.arq_jobs feed --count 20000

The feeder takes due rows from Postgres, a thousand at a time, and enqueues a job for each, many at once. A worker's job
carries all that it needs, POSTs it over aiohttp, and records the outcome with one statement. Nothing guards against
sending twice, and no attempt is kept: less than ours does. Tuned: uvloop, no results kept, no retries, a short
`poll_delay`, a pool of connections. Prints one line of JSON: ready, or when it began.

What would make it lie: too few or too many workers, so `queue_comparison.py` tries several numbers and takes the best.
"""

import argparse
import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
import aiosql
import asyncpg
import msgspec
import uvloop
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import Worker, func

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

QUERIES: Final[Any] = aiosql.from_path(Path(__file__).with_name("peers.sql"), "asyncpg")
MAX_JOBS: Final = 128
POLL_SECONDS: Final = 0.01
TAKEN_AT_ONCE: Final = 1_000
ENQUEUED_AT_ONCE: Final = 64


async def deliver(context: dict[str, Any], message_id: int, recipient: str, content: str) -> None:
    body = msgspec.json.encode({"to": recipient, "content": content})
    async with context["http"].post(context["url"], data=body, headers={"Content-Type": "application/json"}) as answer:
        receipt = msgspec.json.decode(await answer.read())
    await QUERIES.mark_sent(context["postgres"], id=message_id, provider_message_id=receipt["messageId"])


async def work(url: str) -> None:
    """Runs a worker until it is killed."""
    context: dict[str, Any] = {
        "url": url,
        "http": aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MAX_JOBS)),
        "postgres": await asyncpg.create_pool(os.environ["POSTGRES_URI"], min_size=8, max_size=8),
    }
    worker = Worker(
        functions=[func(cast("WorkerCoroutine", deliver), name="deliver", keep_result=0, max_tries=1)],
        redis_settings=_redis_settings(),
        max_jobs=MAX_JOBS,
        poll_delay=POLL_SECONDS,
        keep_result=0,
        max_tries=1,
        retry_jobs=False,
        log_results=False,
        handle_signals=False,
        ctx=context,
    )
    print(msgspec.json.encode({"ready": True}).decode(), flush=True)
    await worker.async_run()


async def feed(count: int) -> None:
    """Enqueues a job for each due row."""
    redis = await create_pool(_redis_settings())
    postgres = await asyncpg.connect(os.environ["POSTGRES_URI"])
    print(msgspec.json.encode({"began": time.time()}).decode(), flush=True)
    left = count
    while left > 0:
        rows = [row async for row in QUERIES.take_rows(postgres, count=min(left, TAKEN_AT_ONCE))]
        left -= len(rows)
        waiting = iter(rows)

        async def enqueue(rows: Any = waiting) -> None:
            for row in rows:
                await redis.enqueue_job("deliver", row["id"], row["recipient"], row["content"])

        await asyncio.gather(*(enqueue() for _ in range(ENQUEUED_AT_ONCE)))
    await redis.aclose()
    await postgres.close()


def _redis_settings() -> RedisSettings:
    return RedisSettings(
        unix_socket_path=ArqRedis.from_url(os.environ["REDIS_URI"]).connection_pool.connection_kwargs["path"]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("work", "feed"))
    parser.add_argument("--url", default="")
    parser.add_argument("--count", type=int, default=20_000)
    asked = parser.parse_args()
    uvloop.run(work(asked.url) if asked.role == "work" else feed(asked.count))
