"""`tidings resume`, on real stores"""

import asyncio
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tidings.cli import NotDoneError, resuming
from tidings.cli.resuming import resume
from tidings.cli.times import TimeError
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.states import CancelReason, Status
from tidings.domain.timestamps import utc_now
from tidings.redis import keys
from tidings.settings import Settings


async def pause(store: Store) -> None:
    await store.marker.write(7, changed=True, paused_why="Postgres is an older state")


async def delivered(redis: Redis, message_id: UUID) -> None:
    await redis.set(keys.dedup_record(message_id), msgspec.json.encode({"sent_at": utc_now()}))


async def statuses(store: Store, *ids: UUID) -> list[tuple[Status, CancelReason | None]]:
    found = [await store.messages.get(message_id) for message_id in ids]
    return [(message.status, message.cancel_reason) for message in found if message is not None]


WAITS = (Status.PENDING, None)
CANCELLED = (Status.CANCELLED, CancelReason.REQUESTED)


async def test_what_is_overdue_is_counted_and_goes(
    store: Store, redis: Redis, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "AT_ONCE", 2)
    old = await keep(store, 5, due_at=utc_now() - timedelta(hours=1))
    for message_id in old[:2]:
        await delivered(redis, message_id)
    await keep(store, 2, due_at=utc_now() + timedelta(hours=1))
    await pause(store)
    await keep(store, 1)
    await resume(settings, skip_due_before=None, yes=True)
    _, *lines, last = capsys.readouterr().out.splitlines()
    assert lines == [
        "6 messages are overdue",
        "  2 have a dedup record: they are recorded as sent, and do not go out",
        "  3 were due before the pause and have none: they go out as possible duplicates",
        "  1 became due during the pause: they go out",
    ]
    assert last == "resumed: messages are claimed again"
    assert await store.marker.paused() is None
    assert await statuses(store, *old) == [WAITS] * 5


async def test_what_was_due_before_a_moment_is_skipped_unless_it_was_delivered(
    store: Store, redis: Redis, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "AT_ONCE", 2)
    old = await keep(store, 4, due_at=utc_now() - timedelta(hours=2))
    newer = await keep(store, 2, due_at=utc_now() - timedelta(minutes=30))
    await delivered(redis, old[0])
    await pause(store)
    await resume(settings, skip_due_before="1h", yes=True)
    out = capsys.readouterr().out
    assert "  3 have none and are cancelled" in out
    assert "cancelled 3" in out
    assert await statuses(store, *old, *newer) == [WAITS, *[CANCELLED] * 3, WAITS, WAITS]
    [entry] = await store.database.pool.fetch("SELECT actor, action, detail->>'cancelled' AS cancelled FROM audit")
    assert tuple(entry) == ("command_line", "claims.resume", "3")
    assert await store.marker.paused() is None


async def test_it_asks_with_the_count(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def confirm(question: str, **_: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("typer.confirm", confirm)
    [message_id] = await keep(store, due_at=utc_now() - timedelta(hours=2))
    await pause(store)
    with pytest.raises(NotDoneError, match="--yes"):
        await resume(settings, skip_due_before="1h", yes=False)
    assert asked == ["Cancel 1 messages and resume?"]
    assert await statuses(store, message_id) == [WAITS]
    assert await store.marker.paused() is not None


async def test_nothing_is_skipped_while_batches_of_before_are_out(store: Store, settings: Settings) -> None:
    await keep(store, due_at=utc_now() - timedelta(hours=2))
    assert await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=10)
    await pause(store)
    with pytest.raises(NotDoneError, match="still in batches"):
        await resume(settings, skip_due_before="1h", yes=True)
    assert await store.marker.paused() is not None


async def test_a_time_to_come_is_refused(store: Store, settings: Settings) -> None:
    await pause(store)
    with pytest.raises(TimeError, match="is to come"):
        await resume(settings, skip_due_before="2999-01-01", yes=True)


async def test_without_redis_nobody_resumes(store: Store, settings: Settings) -> None:
    [message_id] = await keep(store, due_at=utc_now() - timedelta(hours=2))
    await pause(store)
    away = msgspec.structs.replace(settings, redis_uri="unix:///nowhere/redis.sock")
    with pytest.raises(StoreUnavailableError, match="Redis"):
        async with asyncio.timeout(30):
            await resume(away, skip_due_before="1h", yes=True)
    assert await statuses(store, message_id) == [WAITS]
    assert await store.marker.paused() is not None


async def test_where_nothing_is_paused_it_says_so(
    store: Store, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await store.ping()
    await resume(settings, skip_due_before=None, yes=False)
    assert capsys.readouterr().out == "nothing is paused\n"
