"""The states of a message, why it is cancelled, and how an attempt ends; docs/states.md draws the transitions."""

from enum import StrEnum


class Status(StrEnum):
    """Where a message is on its way; docs/states.md draws the transitions."""

    PENDING = "pending"
    PROCESSING = "processing"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CancelReason(StrEnum):
    """Why a cancelled message will not be sent."""

    EXHAUSTED = "exhausted"
    """All attempts that `max_tries` allows failed."""
    REJECTED = "rejected"
    """The receiver refused it for good."""
    EXPIRED = "expired"
    """Its `expires_at` passed before it could be delivered."""
    POISON = "poison"
    """Delivering it alone killed the consumer again and again."""
    REQUESTED = "requested"
    """By a request."""


class AttemptOutcome(StrEnum):
    """How one attempt ended."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    REJECTED = "rejected"
