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
    SUPPRESSED = "suppressed"
    """Its recipient takes no more mail of its user: a bounce, a complaint, an unsubscribe."""
    DELETED = "deleted"
    """Its user was deleted."""


class Receipt(StrEnum):
    """What came back about a message, beside its status: `sent` says that the receiver took it."""

    DELIVERED = "delivered"
    """It reached its recipient."""
    UNDELIVERED = "undelivered"
    """It did not reach one of its recipients."""


class ReceiptFilter(StrEnum):
    """What a list of messages asks for: those with a receipt, or with none."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    NONE = "none"


class HeldReason(StrEnum):
    """What a message waits for that is not its own due time; docs/states.md says what ends each."""

    BREAKER = "breaker"
    """Its endpoint's breaker: the receiver answered with one failure after the other."""
    HOST = "host"
    """The breaker of its destination: no connection, or no answer in time."""
    ACCOUNT = "account"
    """Its user's account, which refused the login."""
    GATEWAY = "gateway"
    """The operator's gateway, whose address, key or account is wrong."""
    ENDPOINT_DISABLED = "endpoint_disabled"
    """Somebody: its receiver said that it is gone."""
    RATE = "rate"
    """The receiver, which takes no more at present."""
    ROOM = "room"
    """Deliveries before it to a slow destination."""
    DISABLED = "disabled"
    """Its user, who is disabled."""
    OURS = "ours"
    """A shortage of this machine's own."""


class AttemptOutcome(StrEnum):
    """How one attempt ended."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    REJECTED = "rejected"
