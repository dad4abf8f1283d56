"""What the audit log says: who changed what beside single messages, when and from where. No secret is in it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec


class Actor(StrEnum):
    """On whose behalf something was done."""

    OPERATOR = "operator"
    """With `API_KEY`, or on this machine while there are no accounts."""
    USER = "user"
    COMMAND_LINE = "command_line"
    """`tidings user`, beside the API."""


class Action(StrEnum):
    """What was done, by its kind of subject."""

    QUEUE_CREATE = "queue.create"
    QUEUE_CHANGE = "queue.change"
    QUEUE_START = "queue.start"
    QUEUE_STOP = "queue.stop"
    MESSAGES_CANCEL = "messages.cancel"
    MESSAGES_RETRY = "messages.retry"
    CLAIMS_RESUME = "claims.resume"
    HOLD_RELEASE = "hold.release"
    SUPPRESSION_ADD = "suppression.add"
    SUPPRESSION_LIFT = "suppression.lift"
    GATEWAY_CREATE = "gateway.create"
    GATEWAY_CHANGE = "gateway.change"
    GATEWAY_DELETE = "gateway.delete"
    ENDPOINT_CREATE = "endpoint.create"
    ENDPOINT_CHANGE = "endpoint.change"
    ENDPOINT_DELETE = "endpoint.delete"
    ENDPOINT_DISABLE = "endpoint.disable"
    ENDPOINT_ENABLE = "endpoint.enable"
    ENDPOINT_ROTATE_SECRET = "endpoint.rotate_secret"  # noqa: S105
    ENDPOINT_RECOVER = "endpoint.recover"
    ENDPOINT_REPLAY = "endpoint.replay"
    EVENTS_READING = "events.reading"
    USER_CREATE = "user.create"
    USER_CHANGE = "user.change"
    USER_DISABLE = "user.disable"
    USER_ENABLE = "user.enable"
    USER_DELETE = "user.delete"
    USER_ROTATE_SECRET = "user.rotate_secret"  # noqa: S105
    KEY_CREATE = "key.create"
    KEY_REVOKE = "key.revoke"
    SESSION_END = "session.end"
    SESSIONS_END = "sessions.end"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done."""

    id: UUID
    """Ordered by time."""
    actor: Actor
    user_id: UUID | None = None
    """Who did it; None where that is no user."""
    key_id: UUID | None = None
    """The API key that they used."""
    session_id: UUID | None = None
    """The session that they used."""
    address: str | None = None
    """The address from which they did it."""
    action: Action
    subject: str | None = None
    """What it was done to: the name of a queue, the id of something else."""
    owner: UUID | None = None
    """Whose that is, where it is another user's."""
    detail: Mapping[str, Any] = {}
    created_at: datetime
