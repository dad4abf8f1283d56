"""The keys with which programs act for a user, and what a key lets them do."""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from tidings.domain.account import Redacted, Role


class Scope(StrEnum):
    """A kind of operations; each operation of the API declares which one it is of."""

    SEND = "send"
    """Hand in messages."""
    READ = "read"
    """See messages, queues, holds and suppressions."""
    MANAGE = "manage"
    """Cancel and retry messages, release holds, change suppressions; for admins, queues."""
    ADMIN = "admin"
    """Change accounts and credentials: SMTP account, signing secret, password, keys, sessions; for admins, users."""


ALL_SCOPES: Final = frozenset(Scope)
USUAL_SCOPES: Final = (Scope.SEND, Scope.READ, Scope.MANAGE)
"""What a key has where nobody says: whoever steals it cannot make it last."""


class ApiKey(Redacted, frozen=True, kw_only=True):
    """A key with which a program acts for its user."""

    id: UUID
    user_id: UUID
    name: str
    prefix: str
    """The part of the key that is no secret, by which it is found."""
    hash: bytes
    """SHA-256 of the whole key."""
    role: Role | None = None
    """None: that of its user. An admin's key may be a user's, never the other way round."""
    scopes: frozenset[Scope] = ALL_SCOPES
    channels: tuple[str, ...] | None = None
    """What it may send with, and whose messages it sees and changes. None: those of its user."""
    granted: bool = True
    """Its channels take the place of its user's; else it may send with those that both have."""
    queues: tuple[str, ...] | None = None
    """Those that it sends to, sees and changes. None: all."""
    expires_at: datetime | None = None
    parent_id: UUID | None = None
    """The key that made it, with which it ends."""
    created_at: datetime
    last_used_at: datetime | None = None
    """To the minute."""
    revoked_at: datetime | None = None

    @property
    def is_limited(self) -> bool:
        """Whether it is for some channels or queues only."""
        return self.channels is not None or self.queues is not None
