"""Partitions: ahead of need, dropped when outlived, never with something unfinished in them."""

from datetime import timedelta
from uuid import UUID

from producer.maintenance import Maintenance
from sql.store import Store
from tests.factories import new_message
from tidings.domain.ids import new_id
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now

DAY = timedelta(days=1)


async def partitions(store: Store, parent: str) -> list[str]:
    async with store.database.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::text::regclass", parent
        )
    return sorted(row["name"] for row in rows)


async def test_partitions_are_made_ahead(store: Store) -> None:
    later = utc_now() + 30 * DAY
    await Maintenance(store, retention=90 * DAY, now=lambda: later).keep()
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
    await Maintenance(store, retention=90 * DAY).keep()
    after = await partitions(store, "messages")
    assert len(set(before) - set(after)) == 1
    assert await store.messages.get(finished.id) is None
    kept = await store.messages.get(waiting.id)
    assert kept is not None
    assert kept.status is Status.PENDING
    assert all(name >= f"attempts_{now - 91 * DAY:%Y%m%d}" for name in await partitions(store, "attempts"))


def uuid_at(seconds: float) -> UUID:
    return UUID(int=(int(seconds * 1000) << 80) | (new_id().int & ((1 << 80) - 1)))
