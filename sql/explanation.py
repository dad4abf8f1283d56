"""What decides when a message goes, all of one moment."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from tidings.domain.states import CancelReason, Status


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The switch and the pace of a message's queue."""

    active: bool
    interval_seconds: float
    batch_size: int | None
    credit: int | None
    """What is left of `batch_size` in the interval that began at `last_claimed_at`."""
    last_claimed_at: datetime | None

    def next_tick(self, due_at: datetime, now: datetime) -> datetime | None:
        """When a message that is due may be claimed at the earliest; None where its queue's pace lets it go now."""
        if not self.interval_seconds or self.last_claimed_at is None:
            return None
        tick = self.last_claimed_at + timedelta(seconds=self.interval_seconds)
        if tick <= now:
            return None
        allowed = due_at <= self.last_claimed_at if self.batch_size is None else (self.credit or 0) > 0
        return None if allowed else tick


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The batch that a message is in, and the consumer that it is for."""

    consumer: str
    size: int
    claimed_at: datetime
    started_at: datetime | None
    """When the consumer took it; None while it has not."""
    lease_until: datetime


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """A message's own state, its queue and its batch; all times are Postgres's."""

    asked_at: datetime
    status: Status
    tries: int
    max_tries: int
    recoveries: int
    due_at: datetime
    expires_at: datetime | None
    sent_at: datetime | None
    cancel_reason: CancelReason | None
    last_error: str | None
    pace: Pace
    holder: Holder | None


def circumstances_of(row: Any) -> Circumstances:
    """A row of the query `circumstances`."""
    reason = row["cancel_reason"]
    return Circumstances(
        asked_at=row["asked_at"],
        status=Status(row["status"]),
        tries=row["tries"],
        max_tries=row["max_tries"],
        recoveries=row["recoveries"],
        due_at=row["due_at"],
        expires_at=row["expires_at"],
        sent_at=row["sent_at"],
        cancel_reason=None if reason is None else CancelReason(reason),
        last_error=row["last_error"],
        pace=Pace(**{name: row[name] for name in Pace.__struct_fields__}),
        holder=None if row["consumer"] is None else Holder(**{name: row[name] for name in Holder.__struct_fields__}),
    )
