"""Every filter and pair of filters: complete, newest first, along an index, and never at more than a page may cost."""

import itertools
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sql import lists
from sql.lists import MessageFilter
from sql.store import Store
from tests.factories import keep, new_message
from tests.integration.sql.test_plans import nodes
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.ids import new_id
from tidings.domain.message import Message
from tidings.domain.states import HeldReason, Status
from tidings.domain.timestamps import utc_now

USERS = (None, UUID(int=1), UUID(int=2))
CHOICES: dict[str, tuple[Any, ...]] = {
    "user_id": USERS[1:],
    "status": tuple(Status),
    "channel": ("sms", "echo"),
    "queue": ("default", "night", "rare"),
    "recipient": ("a", "b", "nobody"),
    "held": (HeldReason.BREAKER,),
}
MAKE = """
UPDATE messages SET
    status = $2::text::message_status,
    batch_id = CASE $2 WHEN 'processing' THEN $1::uuid END,
    sent_at = CASE $2 WHEN 'sent' THEN now() END,
    cancel_reason = CASE $2 WHEN 'cancelled' THEN 'requested'::cancel_reason END,
    held_reason = $3
WHERE id = $1
"""


async def put_in(store: Store, message_id: UUID, status: Status, held: HeldReason | None) -> None:
    """Makes a message look as if it had come to this state."""
    async with store.database.pool.acquire() as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(MAKE, message_id, status, held)
        await connection.execute("SET session_replication_role = origin")


@pytest.fixture
async def mixed(store: Store) -> list[Message]:
    """A few hundred messages of all kinds over some weeks, newest first."""
    chance = random.Random(14)
    for name in ("night", "rare"):
        await store.queues.put(name, active=True, interval_seconds=0, batch_size=None)
    now = utc_now()
    for number in range(300):
        at = now - timedelta(seconds=chance.random() * 30 * 86400)
        message = new_message(
            id=UUID(int=(int(at.timestamp() * 1000) << 80) | (new_id().int & ((1 << 80) - 1))),
            created_at=at,
            user_id=chance.choice(USERS),
            channel=chance.choice(("sms", "sms", "echo")),
            queue=chance.choice(("default", "default", "night")) if number % 40 else "rare",
            recipient=chance.choice("abc"),
        )
        await store.messages.insert([message])
        await put_in(store, message.id, chance.choice(list(Status)), chance.choice([None, HeldReason.BREAKER]))
    everything = await store.messages.list(MessageFilter(), before=None, limit=1000)
    assert len(everything) == 300
    return everything


def filters() -> Iterator[MessageFilter]:
    """None, each filter, each pair of filters."""
    yield MessageFilter()
    for name, values in CHOICES.items():
        yield from (MessageFilter(**{name: value}) for value in values)
    for (one, ones), (other, others) in itertools.combinations(CHOICES.items(), 2):
        yield from (MessageFilter(**{one: a, other: b}) for a in ones for b in others)


def passes(message: Message, wanted: MessageFilter) -> bool:
    given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
    held = given.pop("held", None)
    return all(getattr(message, name) == value for name, value in given.items()) and held in {
        None,
        message.held_reason,
    }


@pytest.mark.parametrize(("look", "limit"), [(lists.MOST, 7), (10, 4), (3, 5)])
async def test_every_filter_and_pair_of_filters_finds_all_of_its_messages_once(
    store: Store, mixed: list[Message], monkeypatch: pytest.MonkeyPatch, look: int, limit: int
) -> None:
    monkeypatch.setattr(lists, "MOST", look)
    for wanted in filters() if look > 10 else itertools.islice(filters(), 0, None, 5):
        found: list[UUID] = []
        before: UUID | None = None
        while True:
            page = await store.messages.page(wanted, before=before, limit=limit)
            found += [message.id for message in page.messages]
            assert len(page.messages) <= limit
            if page.resume is None:
                break
            assert before is None or page.resume < before
            before = page.resume
        assert found == [message.id for message in mixed if passes(message, wanted)], wanted


async def test_spans_of_time_bound_a_list_whatever_its_filter(store: Store, mixed: list[Message]) -> None:
    first, last = mixed[200].created_at, mixed[100].created_at
    for wanted in itertools.islice(filters(), 0, None, 4):
        bounded = msgspec.structs.replace(wanted, created_from=first, created_until=last)
        page = await store.messages.page(bounded, before=None, limit=500)
        # (Times of creation are to the microsecond, ids to the millisecond.)
        assert {message.id for message in page.messages} ^ {
            message.id for message in mixed[101:201] if passes(message, wanted)
        } <= {mixed[100].id, mixed[200].id}


FILL = """
INSERT INTO messages (
    id, user_id, queue, channel, recipient, content, priority, max_tries, due_at, created_at, status, sent_at, tries
)
SELECT
    overlay(gen_random_uuid()::text PLACING left(uuid_from_time(now() - n * interval '100 ms')::text, 13) FROM 1)::uuid,
    $2, 'default', 'sms', 'r' || n, 'x', 1, 5, now(), now(), 'sent', now(), 1
FROM generate_series(1, $1::integer) AS n
"""


async def looked_at(store: Store, wanted: MessageFilter) -> int:
    """How many rows of messages the queries of a page fetch."""
    parameters = {**msgspec.structs.asdict(wanted), "before": None, "most": lists.MOST, "limit": 51}
    total = 0
    async with store.database.pool.acquire() as connection:
        for way in next(lists._ways(wanted)):
            query = getattr(store.database.queries, way)
            arguments = [parameters[name] for name in store.database.queries.driver_adapter.var_sorted[way]]
            answer = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.sql}", *arguments)
            for node in nodes(json.loads(answer)[0]["Plan"]):
                if node.get("Relation Name", "").startswith("messages"):
                    assert "Seq Scan" not in node["Node Type"]
                    each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                    total += each * node["Actual Loops"]
    return int(total)


@pytest.mark.parametrize(
    "wanted",
    [
        MessageFilter(status=Status.FAILED),
        MessageFilter(status=Status.PROCESSING),
        MessageFilter(status=Status.CANCELLED),
        MessageFilter(status=Status.PENDING),
        MessageFilter(recipient="a"),
        MessageFilter(queue="rare"),
        MessageFilter(channel="echo"),
        MessageFilter(held=HeldReason.BREAKER),
        MessageFilter(user_id=USERS[1]),
        MessageFilter(user_id=USERS[1], status=Status.CANCELLED),
        MessageFilter(recipient="a", status=Status.SENT),
    ],
    ids=lambda wanted: "-".join(f"{n}={v}" for n, v in msgspec.structs.asdict(wanted).items() if v is not None)[:40],
)
async def test_a_rare_one_among_many_is_found_without_reading_the_others(store: Store, wanted: MessageFilter) -> None:
    async with store.database.pool.acquire() as connection:
        await connection.execute(FILL, 20_000, USERS[2])
        await connection.execute("ANALYZE messages")
    await store.queues.put("rare", active=True, interval_seconds=0, batch_size=None)
    for status in Status:
        [message_id] = await keep(store, recipient="a", queue="rare", channel="echo", user_id=USERS[1])
        await put_in(store, message_id, status, HeldReason.BREAKER)
    assert await looked_at(store, wanted) < 100


async def test_so_many_lists_at_once_and_the_others_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "PATIENCE_SECONDS", 0.05)
    room = store.messages._lists
    async with room.room(), room.room():
        with pytest.raises(StoreUnavailableError, match="too many lists"):
            await store.messages.page(MessageFilter(), before=None, limit=1)
        # A message that comes in does not wait for them.
        await keep(store)
    assert len((await store.messages.page(MessageFilter(), before=None, limit=1)).messages) == 1
