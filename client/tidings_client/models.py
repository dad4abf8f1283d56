"""What the API answers, as dataclasses, and what it is asked with, as typed dictionaries. Times of answers are UTC.

A name that Python keeps for itself has an underscore behind it: `from_`, `try_`. The words of a `Literal` are those
that this version knows; words of a newer API come through, and its new fields are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict
from uuid import UUID

Status = Literal["pending", "processing", "sent", "failed", "cancelled"]
"""`failed` waits for its next attempt; `sent` and `cancelled` are final."""
CancelReason = Literal["exhausted", "rejected", "expired", "poison", "requested", "suppressed", "deleted"]
HeldReason = Literal["breaker", "host", "account", "gateway", "endpoint_disabled", "rate", "room", "disabled", "ours"]
Receipt = Literal["delivered", "undelivered"]
ReceiptFilter = Literal["delivered", "undelivered", "none"]
Priority = Literal["high", "normal", "low"]
Outcome = Literal["accepted", "retry", "rejected"]
Reason = Literal[
    "sent",
    "not_due",
    "queue_stopped",
    "paced",
    "redis_away",
    "no_producer",
    "no_consumer",
    "waiting_for_room",
    "waiting_for_turn",
    "held",
    "breaker_open",
    "claimed",
    "leased",
    "lost",
    "retrying",
    "expired",
    "rejected",
    "exhausted",
    "poison",
    "requested",
    "suppressed",
    "deleted",
]


@dataclass(frozen=True)
class RetryDelays:
    """When a message is tried again."""

    delays: Sequence[float]
    """Seconds after the first, second, … attempt; the last one repeats."""


@dataclass(frozen=True)
class Mailbox:
    """An address, with the name of whom it is."""

    email: str
    name: str = ""


@dataclass(frozen=True)
class Attachment:
    """An attachment, without its content."""

    filename: str | None
    content_type: str
    content_id: str | None
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Mail:
    """What an e-mail has besides its text."""

    html: str | None
    from_: Mailbox | None
    recipient_name: str
    cc: Sequence[Mailbox]
    bcc: Sequence[Mailbox]
    reply_to: Sequence[Mailbox]
    attachments: Sequence[Attachment]
    remaining: Sequence[str] | None
    """Recipients that have not got it yet, where others have."""


@dataclass(frozen=True)
class Message:
    """A message, as it was when the API answered."""

    id: UUID
    channel: str
    recipient: str
    subject: str | None
    content: str
    headers: Mapping[str, str] | None
    queue: str
    priority: Priority
    status: Status
    tries: int
    max_tries: int
    retry: RetryDelays
    recoveries: int
    """How often it was lost with a consumer and found again."""
    due_at: datetime
    """When it is tried, or tried again."""
    expires_at: datetime | None
    sent_at: datetime | None
    cancel_reason: CancelReason | None
    last_error: str | None
    held_reason: HeldReason | None
    held_since: datetime | None
    receipt: Receipt | None
    receipt_at: datetime | None
    receipt_detail: str | None
    provider_message_id: str | None
    account: str | None
    created_at: datetime
    endpoint_id: UUID | None = None
    """The endpoint for which an event made it."""
    event_id: UUID | None = None
    from_: str | None = None
    """Of a text message: whom its reader sees as the sender."""
    gateway: str | None = None
    """By which it goes, or went."""
    parts: int | None = None
    """How many texts it is paid as."""
    callback_url: str | None = None
    """Where its status events go."""
    content_truncated: bool = False
    """Whether `content` is cut off, as in lists; `get` has all of it."""
    mail: Mail | None = None
    """Lists are without."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at delivering a message."""

    try_: int
    outcome: Outcome
    started_at: datetime
    duration: float
    """Seconds."""
    status_code: int | None
    error: str | None
    answer: str | None
    consumer: str


@dataclass(frozen=True)
class Next:
    """What will happen next."""

    what: str
    at: datetime | None


@dataclass(frozen=True)
class LastTry:
    """How the last attempt went."""

    number: int
    started_at: datetime
    consumer: str
    status_code: int | None
    error: str | None


@dataclass(frozen=True)
class Facts:
    """What an explanation rests on."""

    status: Status
    queue: str
    queue_active: bool
    channel: str
    destination: str | None
    due_at: datetime
    expires_at: datetime | None
    held_reason: HeldReason | None
    held_since: datetime | None
    tries: int
    max_tries: int
    recoveries: int
    consumer: str | None
    batch_size: int | None
    lease_until: datetime | None
    last_try: LastTry | None


@dataclass(frozen=True)
class Explanation:
    """Why a message is not sent, or that it is."""

    reason: Reason
    summary: str
    next: Next | None
    facts: Facts


@dataclass(frozen=True)
class Queue:
    """A stream of messages with its own pace and on/off switch."""

    name: str
    active: bool
    interval_seconds: float
    batch_size: int | None
    last_claimed_at: datetime | None
    next_tick_at: datetime | None
    retry: RetryDelays | None = None


@dataclass(frozen=True)
class Event:
    """An event, and for how many endpoints it became a message."""

    id: UUID
    type: str
    customer: str | None
    channels: Sequence[str] | None
    created_at: datetime
    messages: int


@dataclass(frozen=True)
class EventMessage:
    """What an event became for one endpoint."""

    id: UUID
    endpoint_id: UUID | None
    recipient: str
    status: Status
    tries: int
    due_at: datetime
    sent_at: datetime | None
    cancel_reason: CancelReason | None
    last_error: str | None
    held_reason: HeldReason | None


@dataclass(frozen=True)
class EventDetail(Event):
    """An event with what it said and what became of it."""

    payload: Any
    statuses: Mapping[str, int]
    """How many of its messages have each status."""
    deliveries: Sequence[EventMessage]


@dataclass(frozen=True)
class Changed:
    """How many messages were cancelled or retried."""

    count: int
    more: bool
    """Whether there may be more of them: then the same request goes on."""


class MailboxFields(TypedDict, total=False):
    """An address with a name, in a new message."""

    email: str
    name: str


class AttachmentFields(TypedDict, total=False):
    """A file of a new e-mail, or an image that its HTML shows."""

    content: bytes
    filename: str
    content_type: str
    content_id: str


class RetryFields(TypedDict):
    """Seconds after the first, second, … attempt."""

    delays: Sequence[float]


class More(TypedDict, total=False):
    """What a new message may have besides its channel, recipient and content. None is as good as absent."""

    subject: str | None
    html: str | None
    from_: str | MailboxFields | None
    account: str | None
    gateway: str | None
    smart_encoding: bool | None
    callback_url: str | None
    cc: Sequence[str | MailboxFields] | None
    bcc: Sequence[str | MailboxFields] | None
    reply_to: str | MailboxFields | Sequence[str | MailboxFields] | None
    attachments: Sequence[AttachmentFields] | None
    unsubscribe: bool
    headers: Mapping[str, str] | None
    queue: str
    priority: Priority
    fairness_key: str | None
    due_at: datetime | None
    expires_at: datetime | None
    max_tries: int | None
    retry: RetryFields | None


class _Content(More, total=False):
    content: str


class NewMessage(_Content):
    """A message for `send_many`."""

    channel: str
    recipient: str


class Filter(TypedDict, total=False):
    """Which messages are meant: those that pass everything that is given."""

    status: Status | None
    channel: str | None
    queue: str | None
    recipient: str | None
    held: HeldReason | None
    created_from: datetime | None
    created_until: datetime | None


class ListFilter(Filter, total=False):
    """Which messages a list has."""

    receipt: ReceiptFilter | None


class EventFields(TypedDict, total=False):
    """What a new event may have besides its type and payload."""

    customer: str | None
    id: str | None
    due_at: datetime | None
    channels: Sequence[str] | None


class QueueFields(TypedDict, total=False):
    """The pace of a queue."""

    active: bool | None
    interval_seconds: float
    batch_size: int | None
    retry: RetryFields | None
