"""Many messages changed at once: in steps of a thousand, each of which goes on where the one before ended.

In play: the messages, and a row of `changes` for a change that takes more than a step. That row says how far it is,
and, where messages are cancelled, which turns are not claimed until it is through. Both by a lease: a process that dies
leaves a change that says it was interrupted, messages that were changed by then, and turns that are claimed again
seconds later.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Protocol
from uuid import UUID

import msgspec

from sql.database import Database, Noun
from sql.lists import MessageFilter
from sql.messages import MessageStore
from tidings.domain.ids import new_id
from tidings.domain.states import CancelReason, HeldReason, Status

Action = Literal["cancel", "retry"]

HELD_FOR: Final = timedelta(seconds=10)
"""Far longer than a step takes."""
SILENT_AFTER: Final = timedelta(seconds=15)

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a bulk change is."""

    id: UUID
    user_id: UUID | None
    action: Action
    count: int
    began_at: datetime
    ended_at: datetime | None
    state: Literal["running", "done", "stopped", "interrupted"]


class Steps(Protocol):
    """A bulk change, step by step; a copy goes on by itself."""

    done: bool

    async def step(self, most: int) -> int:
        """Looks at so many messages; returns how many were changed."""


class ChangeStore(Noun):
    """The store as bulk changes see it."""

    def __init__(self, database: Database, messages: MessageStore) -> None:
        super().__init__(database)
        self._messages = messages

    def cancelling(self, wanted: MessageFilter) -> Steps:
        """Cancels what waits and passes a filter."""
        if wanted.user_id is None and wanted.recipient is None and wanted.held is None:
            return _ByTurns(self.database, wanted)
        passes = [wanted]
        if wanted.status is None and wanted.held is None:
            passes = [msgspec.structs.replace(wanted, status=status) for status in (Status.PENDING, Status.FAILED)]
        return _ByPages(self._messages, self.database, passes, "cancel_these", {})

    def retrying(self, wanted: MessageFilter, cancel_reason: CancelReason | None) -> Steps:
        """Retries what was cancelled, failed, or is held, and passes a filter."""
        passes = [wanted]
        if wanted.status is None and wanted.held is None:
            passes = [
                *(msgspec.structs.replace(wanted, status=status) for status in (Status.CANCELLED, Status.FAILED)),
                *(msgspec.structs.replace(wanted, status=Status.PENDING, held=reason) for reason in HeldReason),
            ]
        return _ByPages(self._messages, self.database, passes, "retry_these", {"cancel_reason": cancel_reason})

    async def begin(self, action: Action, wanted: MessageFilter, *, user_id: UUID | None) -> UUID:
        """Records that a change has begun, and holds what it is about to cancel; returns its id."""
        shares = None
        queues = wanted.queues if wanted.queue is None else [wanted.queue]
        if action == "cancel" and wanted.user_id is not None:
            shares = await self.database.one("shares_of", user_id=wanted.user_id, queues=queues, off_too=True) or []
        change_id = new_id()
        await self.database.one(
            "begin_change",
            id=change_id,
            user_id=user_id,
            action=action,
            held_for=HELD_FOR if action == "cancel" else None,
            queues=queues,
            shares=shares,
        )
        return change_id

    async def renew(self, change_id: UUID, count: int) -> bool:
        """Records how far a change is, and holds on; returns whether it is to stop."""
        stop: bool = await self.database.one("renew_change", id=change_id, count=count, held_for=HELD_FOR)
        return stop

    async def end(self, change_id: UUID, count: int) -> None:
        """Records that a change is through; what it held is claimed again."""
        await self.database.one("end_change", id=change_id, count=count)

    async def interrupt(self, change_id: UUID) -> None:
        """Records that nobody goes on with a change."""
        await self.database.one("interrupt_change", id=change_id)

    async def stop(self, change_id: UUID) -> None:
        """Asks for the end of a change."""
        await self.database.one("stop_change", id=change_id)

    async def get(self, change_id: UUID) -> Progress | None:
        """How far a change is; None where there is none."""
        row = await self.database.one("get_change", id=change_id, silent_after=SILENT_AFTER)
        return None if row is None else Progress(**row)


class Place(NamedTuple):
    """In the index of waiting messages."""

    queue: str
    priority: int
    share: int
    due_at: datetime
    id: UUID


FIRST_PLACE: Final = Place("", -1, 0, _EARLIEST, UUID(int=0))
"""Before all of them."""


class _ByTurns:
    """Goes through all that waits in a queue, or in all of them."""

    def __init__(self, database: Database, wanted: MessageFilter) -> None:
        self._database = database
        self._wanted = wanted
        self._place = FIRST_PLACE._replace(queue=wanted.queue or "")
        self.done = False

    async def step(self, most: int) -> int:
        row = await self._database.one(
            "cancel_next",
            **msgspec.structs.asdict(self._wanted),
            **{f"after_{name}": value for name, value in self._place._asdict().items()},
            before=None,
            most=most,
        )
        self.done = row["looked"] < most
        if not self.done:
            self._place = Place(*(row[name] for name in Place._fields))
        changed: int = row["changed"]
        return changed


class _ByPages:
    """Goes through the pages of lists, one list after the other."""

    def __init__(
        self,
        messages: MessageStore,
        database: Database,
        passes: Sequence[MessageFilter],
        query: str,
        parameters: dict[str, Any],
    ) -> None:
        self._messages = messages
        self._database = database
        self._passes = list(passes)
        self._query = query
        self._parameters = parameters
        self._before: UUID | None = None
        self.done = False

    async def step(self, most: int) -> int:
        found = await self._messages.page(self._passes[0], before=self._before, limit=most)
        self._before = found.resume
        if found.resume is None:
            self._passes = self._passes[1:]
            self.done = not self._passes
        if not found.messages:
            return 0
        ids = [message.id for message in found.messages]
        changed: int = await self._database.one(self._query, ids=ids, **self._parameters)
        return changed
