"""Quotas: how much a user may have accepted, in a second, in a day, and waiting."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

BURST_SECONDS: Final = 10
"""What a user did not use of their rate is kept for so long: a burst may be ten times the rate."""
DAY_SECONDS: Final = 86_400
MOST: Final = 1_000_000
"""Of a limit that is counted by message: as many rows one count reads at the most."""

Rate = Annotated[int, Meta(ge=0, le=MOST, description="Messages accepted per second; 0: no limit.")]
Messages = Annotated[int, Meta(ge=0, le=MOST, description="Messages; 0: no limit.")]
Bytes = Annotated[int, Meta(ge=0, le=2**50, description="Bytes of contents, subjects, headers, files; 0: no limit.")]


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one user; 0 is no limit."""

    per_second: int = 0
    """Accepted per second, in bursts of up to `BURST_SECONDS` times as many."""
    per_day: int = 0
    """Accepted in the last 24 hours."""
    waiting: int = 0
    """Waiting for their time, a retry or anything else."""
    waiting_bytes: int = 0

    @property
    def burst(self) -> int:
        """Accepted at once at the most, after a pause."""
        return self.per_second * BURST_SECONDS


class QuotaChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits that an admin gives one user; null, or left out: those of the settings."""

    per_second: Rate | None = None
    per_day: Messages | None = None
    waiting: Messages | None = None
    waiting_bytes: Bytes | None = None

    def over(self, usual: Quota) -> Quota:
        """The limits that hold, where these others are the usual ones."""
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(usual, **own)


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What a user has used of their quota, as Postgres knows it."""

    per_day: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    day_began: datetime | None = None
    """When the oldest of those of the last 24 hours was accepted."""
