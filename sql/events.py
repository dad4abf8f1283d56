"""Events: each is kept once, and becomes a message for each endpoint that wants it, in one commit."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from sql import maintenance
from sql.database import Noun
from sql.messages import IdempotencyKey
from tidings.domain.endpoint import OPERATORS, Endpoint, Event, EventMessage, NewEvent
from tidings.domain.ids import new_id, time_of
from tidings.domain.states import CancelReason, HeldReason, Status
from tidings.domain.turns import share_of

FORGOTTEN_AT_ONCE: Final = 1000


class FanOut(msgspec.Struct, frozen=True, kw_only=True):
    """What messages that fan out have besides what their endpoints say."""

    queue: str
    due_at: datetime
    max_tries: int
    """Where an endpoint has none of its own."""
    retry_delays: Sequence[float] | None = None
    """The same; None: by setting or channel."""
    headers: dict[str, str] | None = None


class Posted(msgspec.Struct, frozen=True):
    """What became of an event."""

    kept: bool
    """False where its idempotency key is taken."""
    messages: int


class Which(StrEnum):
    """Which of its events an endpoint is sent again."""

    ALL = "all"
    """Those that were sent too."""
    MISSING = "missing"
    """Those that it has not got: never sent there, or cancelled."""
    FAILED = "failed"
    """Those that were cancelled."""


class Step(msgspec.Struct, frozen=True):
    """What became of a piece of a span of time."""

    messages: int
    looked: int
    """How many events were looked at."""
    last: UUID | None
    """The last of them, after which the next piece begins."""


class EventStore(Noun):
    """The events of all users."""

    async def post(
        self, event: NewEvent, fan_out: FanOut, key: IdempotencyKey | None = None, *, of_system: bool = False
    ) -> Posted:
        """Keeps an event and its messages in one commit, and one statement."""
        [row] = await maintenance.insert(
            self.database,
            "post_event",
            [event.created_at],
            id=event.id,
            user_id=event.user_id,
            type=event.type,
            customer=event.customer or "",
            labels=event.labels,
            payload=event.payload,
            of_system=of_system,
            key=None if key is None else key.key,
            fingerprint=None if key is None else key.fingerprint,
            **fanned(fan_out, event.user_id, event.id, event.created_at),
        )
        return Posted(row["kept"], row["messages"])

    async def post_test(self, event: Event, fan_out: FanOut) -> UUID | None:
        """Keeps an event for one endpoint alone; returns the id of its message, None where that is disabled or gone."""
        rows = await maintenance.insert(
            self.database,
            "post_test_event",
            [event.created_at],
            id=event.id,
            user_id=event.user_id,
            type=event.type,
            customer=event.customer or "",
            payload=event.payload,
            endpoint_id=event.endpoint_id,
            **fanned(fan_out, event.user_id, event.id, event.created_at),
        )
        return rows[0]["id"] if rows else None

    async def replay(self, event: Event, fan_out: FanOut, *, endpoint_id: UUID | None = None) -> int:
        """Sends an event again to all that want it or to one of them; returns how many messages that makes."""
        moment_id, now = _moment()
        [row] = await maintenance.insert(
            self.database,
            "replay_event",
            [now],
            id=event.id,
            endpoint_id=endpoint_id,
            **fanned(fan_out, event.user_id, moment_id, now),
        )
        return int(row["count"])

    async def send_again(
        self,
        endpoint: Endpoint,
        fan_out: FanOut,
        *,
        which: Which,
        since: datetime,
        until: datetime,
        after: UUID = OPERATORS,
        limit: int,
    ) -> Step:
        """Looks at up to `limit` events of a span of time, and sends an endpoint those that it wants."""
        moment_id, now = _moment()
        [row] = await maintenance.insert(
            self.database,
            "send_again",
            [now],
            endpoint_id=endpoint.id,
            after=after,
            since=since,
            until=until,
            which=which.value,
            limit=limit,
            **fanned(fan_out, endpoint.user_id, moment_id, now),
        )
        return Step(row["messages"], row["looked"], row["last"])

    async def statuses(self, event_id: UUID) -> dict[Status, int]:
        """How many of its messages are in each state."""
        rows = await self.database.rows("count_event_messages", id=event_id)
        return {Status(row["status"]): row["messages"] for row in rows}

    async def forget(self, moment: datetime) -> int:
        """Forgets the events that are older than the moment and of which no message is kept; returns the count."""
        after, forgotten, looked = OPERATORS, 0, FORGOTTEN_AT_ONCE
        while looked == FORGOTTEN_AT_ONCE:
            row = await self.database.one("forget_events", after=after, moment=moment, limit=FORGOTTEN_AT_ONCE)
            after, looked = row["last"] or after, row["looked"]
            forgotten += row["forgotten"]
        return forgotten

    async def count_wanting(self, event: NewEvent) -> int:
        """How many endpoints want it at this moment."""
        count: int = await self.database.one(
            "count_wanting",
            owner=event.user_id or OPERATORS,
            type=event.type,
            customer=event.customer or "",
            labels=event.labels,
        )
        return count

    async def get(self, event_id: UUID) -> Event | None:
        """None where there is none, or none any more."""
        row = await self.database.one("get_event", id=event_id)
        return None if row is None else event_of(row)

    async def messages(self, event_id: UUID, *, limit: int) -> Sequence[EventMessage]:
        """What became of it at its endpoints, the first ones first."""
        return [_message_of(row) for row in await self.database.rows("list_event_messages", id=event_id, limit=limit)]


def fanned(fan_out: FanOut, user_id: UUID | None, moment_id: UUID, created_at: datetime) -> dict[str, Any]:
    """The parameters of the fragment `fan_out`."""
    return {
        "moment_id": moment_id,
        "created_at": created_at,
        "queue": fan_out.queue,
        "headers": None if fan_out.headers is None else msgspec.json.encode(fan_out.headers).decode(),
        "max_tries": fan_out.max_tries,
        "retry_delays": None if fan_out.retry_delays is None else msgspec.json.encode(fan_out.retry_delays).decode(),
        "due_at": fan_out.due_at,
        "share": share_of(user_id),
    }


def _moment() -> tuple[UUID, datetime]:
    """An id of this moment, and the moment."""
    moment_id = new_id()
    return moment_id, time_of(moment_id)


def event_of(row: asyncpg.Record) -> Event:
    values: dict[str, Any] = dict(row)
    values["customer"] = row["customer"] or None
    values["labels"] = None if row["labels"] is None else tuple(row["labels"])
    return Event(**values)


def _message_of(row: asyncpg.Record) -> EventMessage:
    values: dict[str, Any] = dict(row)
    values["status"] = Status(row["status"])
    values["cancel_reason"] = None if row["cancel_reason"] is None else CancelReason(row["cancel_reason"])
    waits = values["status"] in {Status.PENDING, Status.FAILED} and row["held_reason"] is not None
    values["held_reason"] = HeldReason(row["held_reason"]) if waits else None
    return EventMessage(**values)
