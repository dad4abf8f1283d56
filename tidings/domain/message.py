"""The message model: the words that SQL, Python, JSON and metrics share.

`gc=False` where there is one for each message that is delivered: they hold no cycles for the collector to find.
"""

from datetime import datetime
from enum import IntEnum
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

from tidings.domain.mail_parts import KeptMail
from tidings.domain.retry import RetryDelays
from tidings.domain.states import AttemptOutcome, CancelReason, HeldReason, Receipt, Status

DEFAULT_QUEUE = "default"
"""The queue that is always there and takes the messages that name none."""
QUEUE_NAME_PATTERN = "[a-z0-9][a-z0-9._-]{0,62}"
"""What a queue may be called, as a regular expression; the table `queues` checks the same."""


class Priority(IntEnum):
    """Due messages of a higher priority are claimed first, across all queues."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class _Common(msgspec.Struct, frozen=True, kw_only=True):
    """What a message has from its acceptance to its delivery. All times are UTC."""

    id: UUID
    user_id: UUID | None
    queue: str
    channel: str
    recipient: str
    subject: str | None
    content: str
    headers: dict[str, str] | None
    max_tries: int
    retry_delays: tuple[float, ...] | None = None
    """Its own, or those that its queue had when it was accepted; None: by setting or channel."""
    due_at: datetime
    expires_at: datetime | None
    created_at: datetime
    mail_bytes: int | None = None
    """How much is kept of a mail beside it; None where nothing is."""
    account: str | None = None
    """By which SMTP account of its user a mail goes, or by which gateway a text message has to; None: the default one,
    or any."""
    sender: str | None = None
    """Whom a text message is from; None: as its gateway has it."""
    mail: KeptMail | None = None
    """What is kept beside it, where that was read."""


class NewMessage(_Common, frozen=True, kw_only=True):
    """A message as it is handed to the store: validated, complete, not yet kept."""

    priority: Priority
    share: int | None = None
    """Whose turn it takes among those that wait (tidings/domain/turns.py); None: its user's."""
    sms_parts: int | None = None
    """Of how many a text message is."""
    callback_url: str | None = None
    """Where its status events go, whatever endpoints there are."""


class Message(NewMessage, frozen=True, kw_only=True):
    """A message as Postgres keeps it. The defaults are those of a message that was just kept."""

    status: Status = Status.PENDING
    tries: int = 0
    recoveries: int = 0
    batch_id: UUID | None = None
    provider_message_id: str | None = None
    sent_at: datetime | None = None
    cancel_reason: CancelReason | None = None
    last_error: str | None = None
    held_reason: HeldReason | None = None
    """What it waits for, apart from its due time."""
    held_since: datetime | None = None
    receipt: Receipt | None = None
    """What came back about it later, beside its status."""
    receipt_at: datetime | None = None
    receipt_detail: str | None = None
    gateway: str | None = None
    """Which gateway had it last, or has it now, where that is not the one of `WEBHOOK_URL`."""
    endpoint_id: UUID | None = None
    """Where it goes to a webhook endpoint; its recipient is the URL that this had when the event came."""
    event_id: UUID | None = None
    """The event that it tells of, which has its content."""
    content_truncated: bool = False
    """Whether its content is cut off here, as in lists."""


class Delivery(_Common, frozen=True, kw_only=True, gc=False):
    """What a consumer needs of a message to deliver it once: the part of a row that a channel sees."""

    batch_id: UUID
    tries: int
    recoveries: int
    priority: Priority = Priority.NORMAL
    unanswered: bool = False
    """An earlier attempt went out and got no answer, or would be forgotten if it did: see `take`."""
    held_since: datetime | None = None
    """Since when it has waited untried."""
    gateway: str | None = None
    """Which gateway had it last, or has it now, where that is not the one of `WEBHOOK_URL`."""
    endpoint_id: UUID | None = None
    event_id: UUID | None = None

    @property
    def possible_duplicate(self) -> bool:
        """Whether the receiver may have it already: lost with its consumer, no answer, or another server since."""
        return self.unanswered or self.recoveries > 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What to record after one attempt: the message's new status, and the attempt itself if one was made."""

    message_id: UUID
    batch_id: UUID
    status: Status
    tries: int
    due_at: datetime | None = None
    """When it is tried again; None leaves the due time as it is."""
    provider_message_id: str | None = None
    sent_at: datetime | None = None
    cancel_reason: CancelReason | None = None
    last_error: str | None = None
    unanswered: bool = False
    """The attempt went out and got no answer: the receiver may have the message."""
    remaining: tuple[str, ...] | None = None
    """The recipients of a mail that have not got it, where the others have."""
    held_reason: HeldReason | None = None
    gateway: str | None = None
    """Which gateway had it; None leaves it as it is."""
    hold: "Hold | None" = None
    """Written before the outcome, so that a crash in between lets no further message through."""
    bounce: "Bounce | None" = None
    """Written before the outcome too."""
    attempt: "Attempt | None" = None
    queue: str = DEFAULT_QUEUE
    channel: str = ""
    lateness: float | None = None
    """Seconds from the due time to the start of the attempt, if one was made. Like `queue` and `channel` this is for
    metrics, and not recorded."""


class Bounce(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients of a mail of which its server says that there are none: they take no more mail of its sender."""

    user_id: UUID | None
    addresses: tuple[str, ...]
    """As `same_address` returns them."""
    detail: str


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint to which nothing goes until somebody releases it."""

    id: UUID
    channel: str
    endpoint: str
    """As the channel names it: scheme, host and a digest of the path, for a webhook."""
    user_id: UUID | None
    """Whose messages are held; None: everybody's."""
    reason: HeldReason
    since: datetime
    last_error: str | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt at delivering a message, as it is kept for the reader of its history."""

    message_id: UUID
    batch_id: UUID
    try_number: int = msgspec.field(name="try")
    consumer: str
    started_at: datetime
    duration: float
    """Seconds from the start to the outcome."""
    outcome: AttemptOutcome
    status_code: int | None
    """The receiver's code: an HTTP status or an SMTP reply."""
    error: str | None
    answer: str | None
    """The first 1,024 bytes of the response."""


NextTick: TypeAlias = Annotated[
    datetime | None,
    Meta(
        description=(
            "When the next interval of a paced queue may begin; null where it is not paced, or may begin at any time."
        )
    ),
]


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """A stream of messages with its own pace and on/off switch."""

    name: str
    active: bool
    interval_seconds: Annotated[
        float,
        Meta(
            description=(
                "0: every message as soon as it is due; otherwise at most `batch_size` messages in each interval."
            )
        ),
    ]
    batch_size: int | None
    last_claimed_at: Annotated[datetime | None, Meta(description="When the present interval began.")]
    next_tick_at: NextTick
    retry: Annotated[
        RetryDelays | None,
        Meta(description="When its messages are tried again; null: as their channels do."),
    ] = None
