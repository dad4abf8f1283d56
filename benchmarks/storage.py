"""`python -m benchmarks.storage`: what a delivered message leaves on disk and in the WAL of a real Postgres.

Messages go through the store as in operation: inserted by five hundred, claimed and taken in batches of a hundred,
their outcomes recorded by the hundred, wave after wave, so that each wave finds the leavings of those before it. Sizes
are read at the end, with what autovacuum has made of them until then; the WAL of each step is counted separately, and
has the full pages of one checkpoint's time in it. Prints Markdown; `--write` puts it into docs/scale.md too.

What would make it lie: messages are small here (90 characters, an SMS), and none has an idempotency key. Subjects,
headers and longer contents come on top, as they are.
"""

import argparse
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from benchmarks.rig import written
from benchmarks.rig.machine import Database, Machine, make_folder, remove_folder
from consumers import outcomes
from sql.batches import Offer
from sql.store import Store
from tidings.channels.base import Accepted
from tidings.domain.ids import new_id
from tidings.domain.message import Delivery, NewMessage, Priority
from tidings.domain.retry import RetryPolicy
from tidings.domain.timestamps import utc_now

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "scale.md"
WAVE: Final = 5_000
INSERTED_AT_ONCE: Final = 500
BATCH: Final = 100
CONSUMER: Final = "consumer-1"
ANSWER: Final = b'{"messageId":"018f0000-0000-7000-8000-000000000000"}'
POLICY: Final = RetryPolicy(delays=(1.0,), jitter=0.0)


class Storage(msgspec.Struct, frozen=True):
    """Bytes for each message."""

    messages: int
    relations: dict[str, float]
    """On disk, by table and index."""
    wal: dict[str, float]
    """Written, by step."""


async def measure(database: Database, count: int, *, wave: int = WAVE) -> Storage:
    """Sends so many messages, to nobody, a wave at a time."""
    wal: Counter[str] = Counter()

    @asynccontextmanager
    async def step(name: str) -> AsyncIterator[None]:
        before = await database.run("wal_position")
        yield
        wal[name] += await database.run("wal_position") - before

    waves = -(-count // wave)
    async with AsyncExitStack() as exits:
        store = await Store.connect(database.uri, process="benchmark", lease_seconds=60)
        exits.push_async_callback(store.close)
        await database.run("checkpoint")
        for _ in range(waves):
            async with step("insert"):
                for _ in range(0, wave, INSERTED_AT_ONCE):
                    await store.messages.insert([_message() for _ in range(INSERTED_AT_ONCE)])
            async with step("claim and take"):
                batches = await _claim_and_take(store, wave // BATCH)
            async with step("record the outcome"):
                for deliveries in batches:
                    await _record(store, deliveries)
        sizes = await database.rows("relation_sizes")
    delivered = waves * wave
    return Storage(
        delivered,
        {row["relation"]: float(row["bytes"]) / delivered for row in sizes},
        {name: written / delivered for name, written in wal.items()},
    )


def render(storage: Storage) -> Iterator[str]:
    """Markdown, line by line."""
    yield f"Bytes a message on disk, after {storage.messages:,} delivered messages:"
    yield ""
    yield from _table("table or index", storage.relations)
    yield ""
    yield "Bytes of WAL a message:"
    yield ""
    yield from _table("step", storage.wal)


def _table(name: str, rows: dict[str, float]) -> Iterator[str]:
    yield f"| {name} | bytes |"
    yield "|---|---:|"
    for row, size in rows.items():
        yield f"| {row} | {size:,.0f} |"
    yield f"| all | {sum(rows.values()):,.0f} |"


async def _claim_and_take(store: Store, batches: int) -> list[list[Delivery]]:
    claim_lanes = [(priority.value, "default") for priority in Priority]
    offers = [Offer(new_id(), CONSUMER) for _ in range(batches)]
    claimed = await store.batches.claim(claim_lanes, offers, batch_size=BATCH)
    return [await store.batches.take(batch.id, consumer=CONSUMER) for batch in claimed]


async def _record(store: Store, deliveries: Sequence[Delivery]) -> None:
    done = [
        outcomes.conclude(
            delivery,
            Accepted(provider_message_id=str(new_id()), status_code=202, answer=ANSWER),
            policy=POLICY,
            consumer=CONSUMER,
            started_at=utc_now(),
            duration=0.1,
        )
        for delivery in deliveries
    ]
    await store.batches.record(done, closed=[deliveries[0].batch_id], consumer=CONSUMER)


def _message() -> NewMessage:
    now = utc_now()
    return NewMessage(
        id=new_id(),
        user_id=None,
        queue="default",
        channel="sms",
        recipient="+4915112345678",
        subject=None,
        content="Your parcel arrives today between 14:00 and 16:00. Track it at https://parcels.example/4711",
        headers=None,
        priority=Priority.NORMAL,
        max_tries=5,
        due_at=now,
        expires_at=None,
        created_at=now,
    )


async def main(count: int) -> Storage:
    folder = make_folder()
    try:
        async with Machine(folder) as machine, AsyncExitStack() as exits:
            return await measure(await machine.fresh(exits), count)
    finally:
        await remove_folder(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--write", action="store_true", help="put it into docs/scale.md")
    asked = parser.parse_args()
    text = "\n".join(render(uvloop.run(main(asked.messages))))
    print(text)
    if asked.write:
        written.put(DOCUMENT, "python -m benchmarks.storage", text)
