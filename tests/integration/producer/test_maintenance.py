"""Partitions: ahead of need, dropped when outlived, never with something unfinished in them."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec
import pytest

from producer import maintenance as maintenance_module
from producer.maintenance import Maintenance
from sql import database
from sql import maintenance as maintenance_store
from sql.lists import MessageFilter
from sql.messages import IdempotencyKey
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, new_message, offers
from tests.reading import reading
from tidings.domain.ids import new_id
from tidings.domain.mail_parts import KeptMail, MailParts
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now

DAY = timedelta(days=1)


def maintenance(store: Store, *, now: Callable[[], datetime] = utc_now) -> Maintenance:
    return Maintenance(store, retention=90 * DAY, audit_retention=365 * DAY, expire_every=1.0, now=now)


async def drop_outlived(store: Store) -> None:
    """A round of each duty that drops partitions."""
    for duty in maintenance(store).duties:
        if duty.name.startswith("retention"):
            await duty.work()


async def partitions(store: Store, parent: str) -> list[str]:
    async with store.database.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::text::regclass", parent
        )
    return sorted(row["name"] for row in rows)


async def test_partitions_are_made_ahead(store: Store) -> None:
    later = utc_now() + 30 * DAY
    await maintenance(store, now=lambda: later).make_partitions()
    for day in range(8):
        assert f"attempts_{later + day * DAY:%Y%m%d}" in await partitions(store, "attempts")
    await store.messages.insert([new_message(id=uuid_at(later.timestamp()), created_at=later)])


async def test_outlived_partitions_are_dropped_unless_a_message_in_them_is_unfinished(store: Store) -> None:
    now = utc_now()
    old, older = now - 100 * DAY, now - 120 * DAY
    waiting = new_message(id=uuid_at(old.timestamp()), created_at=old)
    finished = new_message(id=uuid_at(older.timestamp()), created_at=older)
    await store.messages.insert([waiting])
    await store.messages.insert([finished])
    assert await store.messages.cancel(finished.id)
    before = await partitions(store, "messages")
    await drop_outlived(store)
    after = await partitions(store, "messages")
    assert len(set(before) - set(after)) == 1
    assert await store.messages.get(finished.id) is None
    kept = await store.messages.get(waiting.id)
    assert kept is not None
    assert kept.status is Status.PENDING
    assert all(name >= f"attempts_{now - 91 * DAY:%Y%m%d}" for name in await partitions(store, "attempts"))


async def old_partition(store: Store, *, days: int = 100) -> str:
    """Of attempts, of one day, long outlived."""
    day = utc_now() - days * DAY
    await store.maintenance.make_partitions(day, day + timedelta(seconds=1))
    return f"attempts_{day:%Y%m%d}"


async def tables(store: Store) -> set[str]:
    async with store.database.pool.acquire() as connection:
        rows = await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'r'")
    return {row["relname"] for row in rows}


async def detaching(store: Store) -> int:
    """The process of Postgres that waits in a DETACH, once there is one."""

    async def waiting() -> int:
        async with store.database.pool.acquire() as connection:
            pid: int | None = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE%DETACH%' AND wait_event_type = 'Lock' "
                "AND datname = current_database()"
            )
        return pid or 0

    return await eventually(waiting)


async def test_a_transaction_that_stays_open_delays_a_drop_and_breaks_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "COMMAND_SECONDS", 0.2)
    name = await old_partition(store)
    async with reading(store.database.uri, "attempts"):
        dropping = asyncio.create_task(drop_outlived(store))
        await detaching(store)
        async with store.database.pool.acquire() as connection:
            await connection.execute("SELECT pg_sleep(0.6)")
        assert not dropping.done()
    await asyncio.wait_for(dropping, timeout=10)
    assert name not in await tables(store)


async def test_a_detach_that_was_interrupted_is_finalized(store: Store) -> None:
    interrupted, other = await old_partition(store), await old_partition(store, days=101)
    async with reading(store.database.uri, "attempts"):
        dropping = asyncio.create_task(drop_outlived(store))
        pid = await detaching(store)
        async with store.database.pool.acquire() as connection:
            await connection.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await dropping
    async with store.database.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == 1
    await drop_outlived(store)
    assert not {interrupted, other} & await tables(store)


async def test_what_a_crash_left_detached_is_dropped_and_nothing_else(store: Store) -> None:
    left, used = await old_partition(store), await old_partition(store, days=5)
    async with store.database.pool.acquire() as connection:
        await connection.execute(f"ALTER TABLE attempts DETACH PARTITION {left}")
        await connection.execute("CREATE TABLE attempts_20200101 (of_another_program integer)")
        await connection.execute("CREATE TABLE attempts_backup (LIKE attempts)")
    await drop_outlived(store)
    assert {used, "attempts_20200101", "attempts_backup"} <= await tables(store)
    assert left not in await tables(store)


async def test_one_partition_that_cannot_be_dropped_stops_no_other(store: Store) -> None:
    stuck, other = await old_partition(store, days=101), await old_partition(store)
    async with store.database.pool.acquire() as connection:
        await connection.execute(f"CREATE VIEW of_somebody AS SELECT * FROM {stuck}")
    with pytest.raises(asyncpg.DependentObjectsStillExistError):
        await drop_outlived(store)
    assert other not in await tables(store)
    assert stuck in await tables(store)


async def test_a_table_that_somebody_reads_stops_no_other_from_being_dropped(store: Store) -> None:
    read, other = await old_partition(store, days=101), await old_partition(store)
    async with store.database.pool.acquire() as connection:
        await connection.execute(f"ALTER TABLE attempts DETACH PARTITION {read}")
    async with reading(store.database.uri, read):
        with pytest.raises(asyncpg.LockNotAvailableError):
            await drop_outlived(store)
        assert other not in await tables(store)
    await drop_outlived(store)
    assert read not in await tables(store)


async def test_partitions_are_made_while_a_detach_waits(store: Store) -> None:
    await old_partition(store)
    async with reading(store.database.uri, "attempts"):
        dropping = asyncio.create_task(drop_outlived(store))
        await detaching(store)
        # And the partitions of another table are dropped.
        await store.maintenance.drop_outlived("messages", utc_now() - 90 * DAY)
        assert await old_partition(store, days=5) in await partitions(store, "attempts")
    await asyncio.wait_for(dropping, timeout=10)


async def test_what_was_retried_before_the_detach_took_effect_is_not_dropped(store: Store) -> None:
    then = utc_now() - 100 * DAY
    message = new_message(id=uuid_at(then.timestamp()), created_at=then)
    await store.messages.insert([message])
    [name] = [name for name in await partitions(store, "messages") if name <= f"messages_{utc_now() - 90 * DAY:%Y%m%d}"]
    # As a crash leaves it between DETACH and DROP.
    async with store.database.pool.acquire() as connection:
        await connection.execute(f"ALTER TABLE messages DETACH PARTITION {name}")
    await drop_outlived(store)
    kept = await store.messages.get(message.id)
    assert kept is not None
    assert kept.status is Status.PENDING


async def test_what_a_crash_left_detached_before_a_column_was_added_is_dropped(store: Store) -> None:
    left = await old_partition(store)
    async with store.database.pool.acquire() as connection:
        await connection.execute(f"ALTER TABLE attempts DETACH PARTITION {left}")
        await connection.execute("ALTER TABLE attempts ADD COLUMN of_the_next_version integer")
    await drop_outlived(store)
    assert left not in await tables(store)


async def fill(store: Store, then: datetime, *, messages: int) -> None:
    """Messages of that moment, sent long ago."""
    await store.maintenance.make_partitions(then, then + timedelta(seconds=1))
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO messages (id, queue, channel, recipient, content, priority, max_tries, due_at, created_at, "
            "status, sent_at) "
            "SELECT overlay(gen_random_uuid()::text PLACING left(uuid_from_time($1)::text, 13) FROM 1)::uuid, "
            "'default', 'echo', 'x', 'x', 1, 5, $1, $1, 'sent', $1 FROM generate_series(1, $2::integer)",
            then,
            messages,
        )


async def size_of(store: Store, name: str) -> int:
    async with store.database.pool.acquire() as connection:
        size: int = await connection.fetchval("SELECT pg_total_relation_size($1::text::regclass)", name)
    return size


async def test_a_message_that_is_due_in_a_year_keeps_nothing_but_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(maintenance_store.BOUNDS, "least_gain", 0)
    then = utc_now() - 100 * DAY
    parts = MailParts(html="<p>later</p>")
    late = new_message(
        id=uuid_at(then.timestamp()), created_at=then, due_at=utc_now() + 365 * DAY, channel="email",
        mail=KeptMail(parts=parts, files=b""), mail_bytes=12,
    )  # fmt: skip
    sent = msgspec.structs.replace(late, id=uuid_at(then.timestamp()))
    key = IdempotencyKey(key="k", fingerprint=b"x")
    await store.messages.insert([late, sent], [key, None])
    assert await store.messages.cancel(sent.id)
    await fill(store, then, messages=20_000)
    [name] = [name for name in await partitions(store, "messages") if name < f"messages_{utc_now() - 90 * DAY:%Y%m%d}"]
    assert await size_of(store, name) > 2**21

    # While somebody reads it, it stays as it is, and nobody waits for longer than a moment.
    async with reading(store.database.uri, name):
        await drop_outlived(store)
        assert await store.messages.get(sent.id)
    await drop_outlived(store)

    assert await size_of(store, name) < 2**19
    assert await store.messages.get(sent.id) is None
    assert set(await store.batches.mails([late.id, sent.id])) == {late.id}
    kept = await store.messages.get(late.id)
    assert kept is not None
    assert (kept.status, kept.due_at, kept.created_at) == (Status.PENDING, late.due_at, late.created_at)
    [known] = await store.messages.known_keys(None, ["k"])
    assert known.message_id == late.id
    assert [each.id for each in await store.messages.list(MessageFilter(), before=None, limit=5)] == [late.id]
    assert await store.messages.cancel(late.id)
    await drop_outlived(store)
    assert name not in await partitions(store, "messages")


async def test_an_outlived_partition_stays_whole_while_one_of_its_messages_is_on_its_way(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(maintenance_store.BOUNDS, "least_gain", 0)
    then = utc_now() - 100 * DAY
    await fill(store, then, messages=1000)
    await store.messages.insert([new_message(id=uuid_at(then.timestamp()), created_at=then)])
    [offer] = offers()
    await store.batches.claim(DEFAULT_CLAIM_LANES, [offer], batch_size=10)
    await drop_outlived(store)
    assert len(await store.messages.list(MessageFilter(status=Status.SENT), before=None, limit=500)) == 500


async def test_new_partitions_are_vacuumed_before_a_fifth_of_them_is_dead(store: Store) -> None:
    await store.maintenance.make_partitions(utc_now() + 60 * DAY, utc_now() + 61 * DAY)
    async with store.database.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT reloptions FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE inhparent = 'messages'::regclass"
        )
    assert len(rows) >= 3
    assert {"autovacuum_vacuum_scale_factor=0" in (row["reloptions"] or ()) for row in rows} == {True}


async def test_whether_something_is_unfinished_is_asked_of_the_partial_indexes(store: Store) -> None:
    then = utc_now() - 100 * DAY
    await fill(store, then, messages=5000)
    connection = await store.database.unlimited_connection()
    try:
        [row] = [
            row
            async for row in store.database.queries.outlived_partitions(
                connection, parent="messages", moment=utc_now() - 80 * DAY, **maintenance_store.BOUNDS
            )
        ]
        explained = await connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {row['needed']}")
        assert not await connection.fetchval(row["needed"])
    finally:
        await connection.close()
    assert not [line[0] for line in explained if "Removed by Filter" in line[0] or "Seq Scan" in line[0]]


async def test_idempotency_keys_are_forgotten_after_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance_store, "FORGOTTEN_AT_ONCE", 2)
    messages = [new_message(created_at=utc_now() - age * DAY) for age in (0, 2, 2, 2, 2, 2)]
    keys = [IdempotencyKey(key=f"key-{n}", fingerprint=b"x") for n in range(len(messages))]
    await store.messages.insert(messages, keys)
    await maintenance(store).forget_idempotency_keys()
    assert [known.key for known in await store.messages.known_keys(None, [key.key for key in keys])] == ["key-0"]


async def test_expired_messages_are_cancelled_all_of_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance_module, "EXPIRE_AT_ONCE", 2)
    gone = await keep(store, 5, expires_at=utc_now())
    [alive] = await keep(store)
    keeping = maintenance(store)
    await keeping.expire()
    assert keeping.expired == 5
    messages = [await store.messages.get(message_id) for message_id in (*gone, alive)]
    assert [message and message.status for message in messages] == [Status.CANCELLED] * 5 + [Status.PENDING]


def uuid_at(seconds: float) -> UUID:
    return UUID(int=(int(seconds * 1000) << 80) | (new_id().int & ((1 << 80) - 1)))
