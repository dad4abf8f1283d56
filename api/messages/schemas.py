"""The JSON of requests and answers, each as a typed struct: the names here are those that clients write and read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import msgspec
from msgspec import Meta

from tidings.channels.installed import recipients
from tidings.domain.message import DEFAULT_QUEUE, Attempt, Message, NewMessage
from tidings.domain.message import Queue as StoredQueue
from tidings.domain.states import AttemptOutcome, CancelReason, Status

MAX_BATCH = 1000
"""Messages in one request at the most."""

HeaderName = Annotated[str, Meta(min_length=1, max_length=128)]
HeaderValue = Annotated[str, Meta(max_length=4096)]
YEAR_SECONDS = 365 * 86_400


class MessageRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message as a client hands it in. What a type cannot say is checked in `validation.py`."""

    channel: Annotated[str, Meta(examples=["sms", "webhook", "email", "echo"])]
    """How it goes: `sms`, `webhook`, `email`, `echo`, or another one that is installed."""
    recipient: Annotated[str, Meta(examples=["+905551111111"])]
    """To whom: a phone number with `+` and the country code, an https URL, an e-mail address, as the channel has it."""
    content: Annotated[str, Meta(min_length=1)]
    subject: Annotated[str, Meta(max_length=998)] | None = None
    """Of an e-mail."""
    headers: Annotated[dict[HeaderName, HeaderValue], Meta(max_length=50)] | None = None
    """What else a webhook or an e-mail carries."""
    queue: str = DEFAULT_QUEUE
    priority: Annotated[str | int, Meta(extra_json_schema={"enum": ["high", "normal", "low", 0, 1, 2]})] = "normal"
    """`high`, `normal` or `low`; 0, 1 and 2 mean the same."""
    due_at: str | int | float | None = None
    """When to send it; now, where it is absent or past."""
    expires_at: str | int | float | None = None
    """When it is no longer worth sending."""
    max_tries: Annotated[int, Meta(ge=1, le=100)] | None = None
    """How often it is tried; null: as often as this deployment does by default."""


_RawMessage = Annotated[
    msgspec.Raw, Meta(extra_json_schema={"$ref": f"#/components/schemas/{MessageRequest.__name__}"})
]


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many messages at once, each left as it came: every bad one is to be named, not only the first."""

    messages: Annotated[list[_RawMessage], Meta(min_length=1, max_length=MAX_BATCH)]


class QueueRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pace of a queue."""

    active: bool | None = None
    """None leaves it as it is; a new queue is active."""
    interval_seconds: Annotated[float, Meta(ge=0, le=YEAR_SECONDS)] = 0
    """0: every message as soon as it is due."""
    batch_size: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """Messages in one interval at the most; null: no limit."""


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A message as clients see it; all times are UTC."""

    id: UUID
    channel: str
    recipient: str
    subject: str | None
    content: str
    headers: dict[str, str] | None
    queue: str
    priority: str
    status: Status
    tries: int
    max_tries: int
    recoveries: int
    """How often it was lost with a consumer and found again."""
    due_at: datetime
    """When it is tried, or tried again."""
    expires_at: datetime | None
    sent_at: datetime | None
    cancel_reason: CancelReason | None
    last_error: str | None
    """What went wrong with the last try."""
    provider_message_id: str | None
    """The id that the far side gave it."""
    created_at: datetime

    @classmethod
    def accepted(cls, message: NewMessage) -> Self:
        """The message as the store has just kept it, without asking the store again."""
        return cls(
            id=message.id,
            channel=message.channel,
            recipient=recipients(message.channel).show(message.recipient),
            subject=message.subject,
            content=message.content,
            headers=message.headers,
            queue=message.queue,
            priority=message.priority.name.lower(),
            status=Status.PENDING,
            tries=0,
            max_tries=message.max_tries,
            recoveries=0,
            due_at=message.due_at,
            expires_at=message.expires_at,
            sent_at=None,
            cancel_reason=None,
            last_error=None,
            provider_message_id=None,
            created_at=message.created_at,
        )

    @classmethod
    def of(cls, message: Message) -> Self:
        """A message out of the store."""
        return cls(
            id=message.id,
            channel=message.channel,
            recipient=recipients(message.channel).show(message.recipient),
            subject=message.subject,
            content=message.content,
            headers=message.headers,
            queue=message.queue,
            priority=message.priority.name.lower(),
            status=message.status,
            tries=message.tries,
            max_tries=message.max_tries,
            recoveries=message.recoveries,
            due_at=message.due_at,
            expires_at=message.expires_at,
            sent_at=message.sent_at,
            cancel_reason=message.cancel_reason,
            last_error=message.last_error,
            provider_message_id=message.provider_message_id,
            created_at=message.created_at,
        )


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch request: all of it was kept."""

    accepted: int
    ids: Sequence[UUID]
    """In the order of the request."""


class MessageList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages, newest first."""

    messages: Sequence[MessageAnswer]
    next_cursor: str | None
    """Names the next page; null on the last one."""


class AttemptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One try at delivering a message."""

    try_number: int = msgspec.field(name="try")
    outcome: AttemptOutcome
    started_at: datetime
    duration: float
    """Seconds."""
    status_code: int | None
    error: str | None
    answer: str | None
    consumer: str

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """An attempt out of the store."""
        return cls(
            try_number=attempt.try_number,
            outcome=attempt.outcome,
            started_at=attempt.started_at,
            duration=attempt.duration,
            status_code=attempt.status_code,
            error=attempt.error,
            answer=attempt.answer,
            consumer=attempt.consumer,
        )


class AttemptList(msgspec.Struct, frozen=True, kw_only=True):
    """The history of a message, oldest try first."""

    attempts: Sequence[AttemptAnswer]


class QueueList(msgspec.Struct, frozen=True, kw_only=True):
    """All queues, by name; a queue is answered as the store keeps it."""

    queues: Sequence[StoredQueue]


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """That the process serves requests."""

    status: str


class HealthAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the stores answer."""

    message: str
    status: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a message could be delivered now, and what is missing where it could not."""

    status: str
    checks: dict[str, str]
