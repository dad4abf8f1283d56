"""`tidings resume`: messages are claimed again in a database that was restored from a backup (producer/guard.py).

In play: the messages that wait, in Postgres, and the dedup records of those that were delivered, in Redis for
`REDIS_TTL`. What has a record is recorded as sent by the consumer that gets it, and not sent again. Interrupted at any
moment, it stays paused; what was cancelled stays cancelled.
"""

from collections.abc import AsyncIterator, Collection, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import typer
from redis.exceptions import RedisError

from consumers.dedup import DedupRecords
from sql.changes import FIRST_PLACE, Place
from sql.store import Store
from tidings.cli import NotDoneError
from tidings.cli.printing import print_line, rfc3339
from tidings.cli.store import opened
from tidings.cli.times import TimeError, before_now
from tidings.domain.audit import Action, Actor, AuditEntry
from tidings.domain.errors import StoreUnavailableError, describe
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now
from tidings.redis.connections import connect_redis
from tidings.runtime.stores import resolve
from tidings.settings import Settings

AT_ONCE: Final = 1000
"""Messages that are read, looked up and cancelled in one step."""


class Overdue(msgspec.Struct):
    """How many messages are overdue, by what becomes of them."""

    recorded: int = 0
    """Delivered, by their dedup records."""
    skipped: int = 0
    """To be cancelled."""
    doubtful: int = 0
    """Due before the pause, and without a record."""
    others: int = 0
    """They became due since, so nobody can have them."""


async def resume(settings: Settings, *, skip_due_before: str | None, yes: bool) -> None:
    """Runs the command. Raises NotDoneError where it is not confirmed, or too early."""
    now = utc_now()
    skip_before = None if skip_due_before is None else before_now(skip_due_before, now=now)
    if skip_before is not None and skip_before > now:
        raise TimeError(
            f"{skip_due_before!r} is to come; --skip-due-before cancels what was due before a time that is past"
        )
    settings = resolve(settings)
    async with opened(settings) as store:
        redis = connect_redis(settings)
        try:
            await _resume(store, DedupRecords(redis, life_seconds=settings.redis_ttl), now, skip_before, yes=yes)
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(f"Redis does not answer: {describe(error)}") from error
        finally:
            await redis.aclose()


async def _resume(
    store: Store, records: DedupRecords, now: datetime, skip_before: datetime | None, *, yes: bool
) -> None:
    paused = await store.marker.paused()
    if paused is None:
        print_line("nothing is paused")
        return
    if skip_before is not None and (processing := await store.marker.processing(most=AT_ONCE)):
        raise NotDoneError(f"{processing:,} messages are still in batches; a producer takes those back soon: try again")
    overdue = await _count(store, records, now, skip_before, since=paused.since)
    print_line(f"paused since {rfc3339(paused.since)}: {paused.why}")
    for line in _lines(overdue):
        print_line(line)
    if not yes and not _confirmed(overdue.skipped):
        raise NotDoneError("not confirmed, so nothing was changed; --yes resumes without asking")
    cancelled = 0
    if skip_before is not None:
        async for due_ats, found in _pages(store, records, skip_before):
            cancelled += await store.marker.cancel([message_id for message_id in due_ats if message_id not in found])
        print_line(f"cancelled {cancelled:,}")
    entry = AuditEntry(
        id=new_id(),
        actor=Actor.COMMAND_LINE,
        action=Action.CLAIMS_RESUME,
        detail={
            "paused": paused.why,
            "cancelled": cancelled,
            "skip_due_before": None if skip_before is None else rfc3339(skip_before),
        },
        created_at=utc_now(),
    )
    async with store.database.together():
        if await store.marker.resume():
            await store.audit.put(entry)
    print_line("resumed: messages are claimed again")


async def _count(
    store: Store, records: DedupRecords, now: datetime, skip_before: datetime | None, *, since: datetime
) -> Overdue:
    overdue = Overdue()
    async for due_ats, found in _pages(store, records, now):
        overdue.recorded += len(found)
        for due_at in (due_at for message_id, due_at in due_ats.items() if message_id not in found):
            if skip_before is not None and due_at < skip_before:
                overdue.skipped += 1
            elif due_at <= since:
                overdue.doubtful += 1
            else:
                overdue.others += 1
    return overdue


async def _pages(
    store: Store, records: DedupRecords, before: datetime
) -> AsyncIterator[tuple[dict[UUID, datetime], Collection[UUID]]]:
    """What waits and was due before a moment, by id, and which of it has a dedup record; step by step."""
    place: Place | None = FIRST_PLACE
    while place is not None:
        due_ats, place = await store.marker.overdue(before, place, most=AT_ONCE)
        if due_ats:
            yield due_ats, await records.read(list(due_ats))


def _lines(overdue: Overdue) -> Iterator[str]:
    total = overdue.recorded + overdue.skipped + overdue.doubtful + overdue.others
    yield f"{total:,} messages are overdue"
    if overdue.recorded:
        yield f"  {overdue.recorded:,} have a dedup record: they are recorded as sent, and do not go out"
    if overdue.skipped:
        yield f"  {overdue.skipped:,} have none and are cancelled"
    if overdue.doubtful:
        yield f"  {overdue.doubtful:,} were due before the pause and have none: they go out as possible duplicates"
    if overdue.others:
        yield f"  {overdue.others:,} became due during the pause: they go out"


def _confirmed(skipped: int) -> bool:
    try:
        return typer.confirm(f"Cancel {skipped:,} messages and resume?" if skipped else "Resume?", err=True)
    except typer.Abort:
        return False
