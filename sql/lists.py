"""Lists of messages, newest first, by any filter, at a cost that months of messages do not change.

Each filter has an index that its list goes along (sql/queries/lists.sql), and no list looks at more than `MOST` of its
entries: a page that is not full by then ends there, and says from where to go on. So a page may be short, or empty, and
not be the last one.

Some indexes are in the order of time. Those of what is unfinished are not, and are read whole, or not at all where
there is more. Where one way along an index ends before the page is full, the next one that fits the filter is tried;
the one that came furthest back is answered.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from sql.database import Database
from sql.rows import message_of
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.message import DEFAULT_QUEUE, Message
from tidings.domain.states import HeldReason, ReceiptFilter, Status

MOST: Final = 5_000
"""Entries of an index that one query looks at: 5 to 10 ms."""
AT_ONCE: Final = 2
"""Lists that a process reads at once: they leave Postgres's cores, and the connections, to messages that come in."""
PATIENCE_SECONDS: Final = 10.0
PAGE_BYTES: Final = 4 * 2**20
"""Of contents and headers in one page."""

_ENDED: Final = frozenset({None, Status.SENT, Status.CANCELLED})
_WAITING: Final = frozenset({None, Status.PENDING, Status.FAILED})
_UNDER_WAY: Final = frozenset({None, Status.PROCESSING})

ORDERED: Final = frozenset(
    {
        "list_messages", "list_user_messages", "list_not_sent", "list_in_queue", "list_of_channel",
        "list_ended_to", "list_waiting_to",
    }
)  # fmt: skip
"""The queries that go along an index in the order of time."""


class MessageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages a list shows; None leaves a field open."""

    user_id: UUID | None = None
    status: Status | None = None
    channel: str | None = None
    queue: str | None = None
    recipient: str | None = None
    channels: Sequence[str] | None = None
    queues: Sequence[str] | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None
    held: HeldReason | None = None
    receipt: ReceiptFilter | None = None


class Page(NamedTuple):
    """Messages, each with the beginning of its content, and from where to go on; None: there are no more."""

    messages: list[Message]
    resume: UUID | None
    is_full: bool = False
    """Whether there is no room for another, by count or by bytes."""


class Listed(list[Message]):
    """Messages of a list that has no short pages, each with the beginning of its content."""

    more: bool = False
    """Whether the last ones that were asked for are left out: together they have too many bytes for one page."""


class Room:
    """So many lists at once, in one process."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Waits for its turn. Raises StoreUnavailableError where that does not come."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise StoreUnavailableError("too many lists are being read") from None
        try:
            yield
        finally:
            self._free.release()


async def page(database: Database, wanted: MessageFilter, *, before: UUID | None, limit: int) -> Page:
    """Up to `limit` messages older than `before`, newest first."""
    parameters = {**msgspec.structs.asdict(wanted), "before": before, "most": MOST, "limit": limit + 1}
    best: Page | None = None
    for ways in _ways(wanted):
        found = await _along(database, ways, parameters, limit)
        if found is not None and (found.resume is None or found.is_full):
            return found
        if found is not None and (best is None or _reach(found) < _reach(best)):
            best = found
    return best or Page([], None)


async def sent_sms(
    database: Database, user_id: UUID | None, *, queues: Sequence[str] | None, before: Message | None, limit: int
) -> Listed:
    """Up to `limit` sent text messages, the last one first, all sent before `before`; of one user, or of all."""
    parameters: dict[str, Any] = {
        "before_sent_at": before and before.sent_at,
        "before": before and before.id,
        "queues": queues,
        "limit": limit,
    }
    if user_id is None:
        return _listed(await database.rows("list_sent_sms", **parameters))
    few = await database.rows("list_few_sent_sms", user_id=user_id, most=MOST, **parameters)
    if few[0]["looked"] == MOST:
        return _listed(await database.rows("list_user_sent_sms", user_id=user_id, **parameters))
    rows = [row for row in few if row["id"] is not None]
    fitting = _fitting(rows)
    listed = Listed(map(message_of, rows[:fitting]))
    listed.more = fitting < len(rows)
    return listed


def _listed(rows: Sequence[asyncpg.Record]) -> Listed:
    listed = Listed(map(message_of, rows))
    listed.more = bool(rows) and rows[0]["found"] > len(rows)
    return listed


def _fitting(rows: Sequence[asyncpg.Record]) -> int:
    """How many of these have 4 MiB together, and one at least."""
    size = 0
    for count, row in enumerate(rows):
        if size >= PAGE_BYTES:
            return count
        size += len(row["content"].encode()) + len((row["headers"] or "").encode())
    return len(rows)


def _ways(wanted: MessageFilter) -> Iterator[list[str]]:
    """The queries that together find everything, the most selective first."""
    status = wanted.status
    ended = status in _ENDED and wanted.held is None
    under_way = ["list_under_way"] if status in _UNDER_WAY and wanted.held is None else []
    if wanted.recipient is not None:
        waiting = ["list_waiting_to"] if status in _WAITING else []
        yield [*(["list_ended_to"] if ended else []), *waiting, *under_way]
    if wanted.held is not None:
        yield ["list_held"]
    everybodys = "list_messages" if wanted.user_id is None else "list_user_messages"
    if wanted.user_id is not None:
        yield [everybodys]
    if status in {Status.FAILED, Status.CANCELLED}:
        yield ["list_not_sent"]
    if not ended:
        yield [*(["list_waiting"] if status in _WAITING else []), *under_way]
    for of_name, name in (("list_in_queue", wanted.queue), ("list_of_channel", wanted.channel)):
        if name not in {None, DEFAULT_QUEUE}:
            yield [*([of_name] if status is not Status.PROCESSING else []), *under_way]
    if wanted.user_id is None:
        yield [everybodys]


async def _along(database: Database, ways: Sequence[str], parameters: dict[str, Any], limit: int) -> Page | None:
    """What these queries find together; None where one of them would have to look at too many."""
    found: list[asyncpg.Record] = []
    end: UUID | None = None
    # Those first that may be too much.
    for way in sorted(ways, key=ORDERED.__contains__):
        rows = await database.rows(way, **parameters)
        if way not in ORDERED:
            if rows[0]["looked"] == MOST:
                return None
            found += [row for row in rows if row["id"] is not None]
            continue
        found += [row for row in rows if row["wanted"]]
        # It ends with the last one that was looked at: there may be more behind it.
        if rows and (not rows[-1]["wanted"] or rows[-1]["number"] == MOST):
            end = rows[-1]["id"] if end is None else max(end, rows[-1]["id"])
    if end is not None:
        found = [row for row in found if row["id"] >= end]
    found.sort(key=itemgetter("id"), reverse=True)
    most = min(limit, _fitting(found))
    messages = [message_of(row) for row in found[:most]]
    if len(found) > most:
        return Page(messages, messages[-1].id, is_full=True)
    return Page(messages, end, is_full=len(messages) == limit)


def _reach(found: Page) -> UUID:
    """How far back a page that ended early has come."""
    return found.resume or UUID(int=0)
