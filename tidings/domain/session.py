"""A session: from a login to a logout, or until its time is over."""

from datetime import datetime
from uuid import UUID

import msgspec


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as Postgres keeps it, for as long as it lasts."""

    id: UUID
    user_id: UUID
    address: str | None
    """From which somebody logged in."""
    client: str | None
    """What they logged in with, as it calls itself."""
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    """To the minute."""
