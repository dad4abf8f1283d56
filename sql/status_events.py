"""Status events: taken from where changes leave them, made events and messages, and read.

A change is written by the statement that makes it (the fragment `reported`): none is lost, and none is made up. Taking
it and keeping its event are one transaction.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from sql.database import Noun
from sql.events import FanOut, fanned
from tidings.domain.endpoint import OPERATORS, NewEvent
from tidings.domain.ids import new_id, time_of
from tidings.domain.status_event import MessageStatus, StatusChange, StatusEvent
from tidings.domain.turns import share_of


class StatusEventStore(Noun):
    """The status events of all users."""

    async def take(self, *, limit: int) -> Sequence[StatusChange]:
        """The oldest changes, in their order; in the transaction that keeps their events.

        None where another fan-out is at work.
        """
        return [_change(row) for row in await self.database.rows("take_status_changes", limit=limit)]

    async def keep(self, events: Sequence[tuple[NewEvent, StatusChange]], fan_out: FanOut) -> int:
        """Keeps the events of changes, and a message for each who wants one; returns how many messages that makes."""
        moment_id = new_id()
        parameters = fanned(fan_out, None, moment_id, time_of(moment_id))
        count: int = await self.database.one(
            "keep_status_events",
            id=[event.id for event, _ in events],
            user_id=[event.user_id for event, _ in events],
            type=[event.type for event, _ in events],
            payload=[event.payload for event, _ in events],
            sequence=[change.sequence for _, change in events],
            changed_at=[event.created_at for event, _ in events],
            callback_url=[change.callback_url for _, change in events],
            **parameters | {"share": [share_of(event.user_id) for event, _ in events]},
        )
        return count

    async def after(self, user_id: UUID | None, sequence: int, *, limit: int) -> Sequence[StatusEvent]:
        """Those of one owner that come after a number, in their order."""
        rows = await self.database.rows("events_after", owner=user_id or OPERATORS, after=sequence, limit=limit)
        return [StatusEvent(**row) for row in rows]

    async def last(self, user_id: UUID | None) -> int:
        """The number of the last one of an owner; 0 where there is none."""
        number: int = await self.database.one("last_status_event", owner=user_id or OPERATORS)
        return number

    async def read(self, user_id: UUID | None, *, on: bool) -> None:
        """Has them kept for reading, or no more."""
        if on:
            await self.database.one("read_events", owner=user_id or OPERATORS, user_id=user_id)
        else:
            await self.database.one("read_events_no_more", owner=user_id or OPERATORS)

    async def reads(self, user_id: UUID | None) -> bool:
        """Whether they are kept for reading."""
        on: bool = await self.database.one("reads_events", owner=user_id or OPERATORS)
        return on

    async def report_disabled(self, endpoint_ids: Sequence[UUID]) -> None:
        """That endpoints were disabled by themselves; in the transaction that says that their owners know."""
        await self.database.one("report_disabled", ids=endpoint_ids)


def _change(row: asyncpg.Record) -> StatusChange:
    data: dict[str, Any] | MessageStatus
    if row["message_id"] is None:
        data = msgspec.json.decode(row["data"], type=dict[str, Any])
    else:
        data = MessageStatus(**{name: row[name] for name in MessageStatus.__struct_fields__})
    return StatusChange(
        sequence=row["sequence"],
        user_id=row["user_id"],
        type=row["type"],
        callback_url=row["callback_url"],
        data=data,
        changed_at=row["changed_at"],
    )
