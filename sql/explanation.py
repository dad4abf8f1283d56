"""What decides when a message goes, read at one moment."""

from datetime import datetime
from typing import Any

import msgspec

from tidings.domain.states import CancelReason, HeldReason, Status


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The switch and the pace of a message's queue."""

    active: bool
    interval_seconds: float
    per_interval: int | None
    """How many messages may go in an interval; None: all that were due when it began."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The batch that a message is in, and the consumer that it is for."""

    consumer: str
    size: int
    claimed_at: datetime
    started_at: datetime | None
    """When the consumer took it; None while it has not."""
    lease_until: datetime


class MessageState(msgspec.Struct, frozen=True, kw_only=True):
    """A message's own state, its queue and its batch; all times are Postgres's."""

    asked_at: datetime
    status: Status
    tries: int
    max_tries: int
    recoveries: int
    due_at: datetime
    claimable_at: datetime
    """When its queue's pace lets it go at the earliest; its due time where nothing holds it."""
    expires_at: datetime | None
    sent_at: datetime | None
    cancel_reason: CancelReason | None
    last_error: str | None
    held_reason: HeldReason | None = None
    held_since: datetime | None = None
    pace: Pace
    holder: Holder | None


def state_of(row: Any) -> MessageState:
    """A row of the query `message_state`."""
    reason, status = row["cancel_reason"], Status(row["status"])
    # While it is on its way, and after its end, the columns say what held it before.
    held = row["held_reason"] if status in {Status.PENDING, Status.FAILED} else None
    return MessageState(
        asked_at=row["asked_at"],
        status=status,
        tries=row["tries"],
        max_tries=row["max_tries"],
        recoveries=row["recoveries"],
        due_at=row["due_at"],
        claimable_at=row["claimable_at"],
        expires_at=row["expires_at"],
        sent_at=row["sent_at"],
        cancel_reason=None if reason is None else CancelReason(reason),
        last_error=row["last_error"],
        held_reason=None if held is None else HeldReason(held),
        held_since=None if held is None else row["held_since"],
        pace=Pace(**{name: row[name] for name in Pace.__struct_fields__}),
        holder=None if row["consumer"] is None else Holder(**{name: row[name] for name in Holder.__struct_fields__}),
    )
