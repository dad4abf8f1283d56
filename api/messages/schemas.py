"""The JSON of requests and answers, each as a typed struct: the names here are those that clients write and read."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Self
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.http.lengths import Content, EmailAddress, Moment, Name, Recipient
from api.http.lengths import Mailbox as MailboxText
from api.messages.mail_schemas import MailAnswer
from api.messages.text_fields import GatewayField, GatewayShown, PartsShown, SenderShown, SmartEncodingField
from tidings.channels.email.addresses import MAX_NAME
from tidings.channels.installed import recipients
from tidings.domain.headers import ACCOUNT_MAIL, HIDDEN, shown
from tidings.domain.message import DEFAULT_QUEUE, Attempt, Message, NewMessage, Priority
from tidings.domain.message import Queue as StoredQueue
from tidings.domain.retry import RetryDefaults, RetryDelays
from tidings.domain.states import AttemptOutcome, CancelReason, HeldReason, Receipt, Status
from tidings.domain.turns import MAX_FAIRNESS_KEY

MAX_BATCH = 1000
"""Messages in one request at the most."""
MAX_CHANGED = 10_000
"""Messages that one request cancels or retries; for more it is sent again."""

MAX_RECIPIENTS: Final = 100
"""Of one mail: what every mail server takes at least (RFC 5321, section 4.5.3.1.8)."""
MAX_ATTACHMENTS: Final = 100
"""Of one mail."""
MAX_FILENAME: Final = 255
"""Bytes of a file's name, as file systems have it."""

HeaderName = Annotated[str, Meta(min_length=1, max_length=128)]
HeaderValue = Annotated[str, Meta(max_length=4096)]
YEAR_SECONDS = 365 * 86_400


class MailboxRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address with a name."""

    email: EmailAddress
    name: Annotated[str, Meta(max_length=MAX_NAME)] = ""


MailboxField = Annotated[
    MailboxText | MailboxRequest,
    Meta(description='`ida@example.com`, `Ida Rhodes <ida@example.com>`, or `{"email": …, "name": …}`.'),
]
Mailboxes = Annotated[list[MailboxField], Meta(max_length=MAX_RECIPIENTS)]


_FileText = Annotated[str, Meta(max_length=MAX_FILENAME)]


class AttachmentRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that goes with a mail, or an image that its HTML shows."""

    content: Annotated[bytes, Meta(description="In base64.")]
    filename: Annotated[_FileText | None, Meta(examples=["report.pdf"])] = None
    content_type: Annotated[
        _FileText | None, Meta(examples=["application/pdf"], description="Absent: what the end of `filename` says.")
    ] = None
    content_id: Annotated[
        _FileText | None,
        Meta(description='By which the HTML shows it: `<img src="cid:logo">` shows the one with `logo`.'),
    ] = None


class MessageRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message as a client hands it in. What a type cannot say is checked in `validation.py`."""

    channel: Annotated[
        Name,
        Meta(
            examples=["sms", "webhook", "email", "echo"],
            description="How it goes: `sms`, `webhook`, `email`, `echo`, or another one that is installed.",
        ),
    ]
    recipient: Annotated[
        Recipient,
        Meta(
            examples=["+905551111111"],
            description=(
                "To whom: a phone number with `+` and the country code, an https URL, an e-mail address, as the "
                "channel has it. Of an e-mail also `Ida Rhodes <ida@example.com>`."
            ),
        ),
    ]
    content: Annotated[Content | UnsetType, Meta(description="The text. An e-mail with `html` may lack it.")] = UNSET
    subject: Annotated[Annotated[str, Meta(max_length=998)] | None, Meta(description="Of an e-mail.")] = None
    html: Annotated[
        Content | UnsetType,
        Meta(description="Of an e-mail: the same as HTML, beside the text or instead of it."),
    ] = UNSET
    from_: Annotated[
        MailboxField | UnsetType,
        Meta(
            description=(
                "Whom an e-mail is from, where that is not the account's address; an admin allows addresses. Of a text "
                "message: a number or a name that a gateway lets it be from."
            )
        ),
    ] = msgspec.field(default=UNSET, name="from")
    account: Annotated[
        Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType,
        Meta(description="Of an e-mail: by which SMTP account it goes, by name; absent: the default one."),
    ] = UNSET
    gateway: GatewayField | UnsetType = UNSET
    smart_encoding: SmartEncodingField | UnsetType = UNSET
    cc: Annotated[Mailboxes | UnsetType, Meta(description="Of an e-mail: who gets it too, as everybody sees.")] = UNSET
    bcc: Annotated[Mailboxes | UnsetType, Meta(description="Of an e-mail: who gets it too, as nobody sees.")] = UNSET
    reply_to: Annotated[
        MailboxField | Mailboxes | UnsetType, Meta(description="Of an e-mail: whom its readers reply to.")
    ] = UNSET
    attachments: Annotated[
        Annotated[list[AttachmentRequest], Meta(max_length=MAX_ATTACHMENTS)] | UnsetType,
        Meta(description="Of an e-mail. The request may have up to `MAX_MESSAGE_BYTES` for them."),
    ] = UNSET
    unsubscribe: Annotated[
        bool,
        Meta(description="Of an e-mail to one recipient: adds a link by which they take no more of yours (RFC 8058)."),
    ] = False
    headers: Annotated[
        Annotated[dict[HeaderName, HeaderValue], Meta(max_length=50)] | None,
        Meta(description="What else a webhook or an e-mail carries."),
    ] = None
    queue: Name = DEFAULT_QUEUE
    priority: Annotated[
        Name | int,
        Meta(
            extra_json_schema={"enum": ["high", "normal", "low", 0, 1, 2]},
            description="`high`, `normal` or `low`; 0, 1 and 2 mean the same. `high` is a right that an admin gives.",
        ),
    ] = "normal"
    fairness_key: Annotated[
        Annotated[str, Meta(min_length=1, max_length=MAX_FAIRNESS_KEY)] | UnsetType,
        Meta(
            description=(
                "For whom it is, where you send for many: in a queue, each key takes turns as a user does. It is not "
                "kept. A right that an admin gives."
            )
        ),
    ] = UNSET
    due_at: Annotated[Moment | None, Meta(description="When to send it; now, where it is absent or past.")] = None
    expires_at: Annotated[Moment | None, Meta(description="When it is no longer worth sending.")] = None
    max_tries: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(description="How often it is tried; null: one more than it has delays in `retry`."),
    ] = None
    # Unset where they are absent, so that a request without has the same fingerprint as before there were such fields.
    callback_url: Annotated[
        Recipient | UnsetType,
        Meta(description="Where its status events go: an https URL. They are signed as your webhooks are."),
    ] = UNSET
    retry: Annotated[
        RetryDelays | UnsetType | None,
        Meta(description="When it is tried again; null: as its queue has it, or this deployment, or its channel."),
    ] = UNSET


_RawMessage = Annotated[
    msgspec.Raw, Meta(extra_json_schema={"$ref": f"#/components/schemas/{MessageRequest.__name__}"})
]


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many messages at once, each left as it came: every bad one is to be named, not only the first."""

    messages: Annotated[list[_RawMessage], Meta(min_length=1, max_length=MAX_BATCH)]


class QueueRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pace of a queue."""

    active: Annotated[bool | None, Meta(description="None leaves it as it is; a new queue is active.")] = None
    interval_seconds: Annotated[
        float, Meta(ge=0, le=YEAR_SECONDS, description="0: every message as soon as it is due.")
    ] = 0
    batch_size: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Messages in one interval at the most; null: no limit."),
    ] = None
    retry: Annotated[
        RetryDelays | UnsetType | None,
        Meta(
            description=(
                "When messages that it takes from now on are tried again, where they do not say; null: as their "
                "channels do. Absent leaves it as it is."
            )
        ),
    ] = UNSET


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A message as clients see it; all times are UTC."""

    id: UUID
    channel: str
    recipient: str
    subject: str | None
    content: str
    content_truncated: Annotated[
        bool, Meta(description="Whether `content` is cut off after 4,096 letters, as in lists; by its id it is whole.")
    ] = False
    headers: dict[str, str] | None
    queue: str
    priority: str
    status: Status
    tries: int
    max_tries: int
    retry: Annotated[RetryDelays, Meta(description="When it is tried again after its first, second, … attempt.")]
    recoveries: Annotated[int, Meta(description="How often it was lost with a consumer and found again.")]
    due_at: Annotated[datetime, Meta(description="When it is tried, or tried again.")]
    expires_at: datetime | None
    sent_at: datetime | None
    cancel_reason: CancelReason | None
    last_error: Annotated[str | None, Meta(description="What went wrong with the last attempt.")]
    held_reason: Annotated[
        HeldReason | None, Meta(description="What it waits for apart from its due time; null where that is nothing.")
    ]
    held_since: datetime | None
    receipt: Annotated[
        Receipt | None, Meta(description="What came back about it after it was sent; null: nothing is known.")
    ]
    receipt_at: datetime | None
    receipt_detail: Annotated[str | None, Meta(description="What a mail server said, say.")]
    provider_message_id: Annotated[str | None, Meta(description="The id that the provider gave it.")]
    account: Annotated[str | None, Meta(description="By which SMTP account it goes; null: the default one.")]
    gateway: GatewayShown
    sender: SenderShown = msgspec.field(name="from")
    sms_parts: PartsShown = msgspec.field(name="parts")
    endpoint_id: Annotated[
        UUID | None,
        Meta(description="The webhook endpoint that it goes to; `recipient` is the URL that this had at first."),
    ]
    event_id: Annotated[UUID | None, Meta(description="The event that it tells of.")]
    callback_url: Annotated[str | None, Meta(description="Where its status events go.")]
    created_at: datetime
    mail: Annotated[
        MailAnswer | UnsetType,
        Meta(description="What an e-mail has besides its text, where it has any of it. Lists are without."),
    ] = UNSET

    @classmethod
    def of(cls, message: Message | NewMessage, retries: RetryDefaults) -> Self:
        """A message out of the store, or one that the store has just kept.

        Its columns of the same names, but for those that clients see in another form.
        """
        rules = recipients(message.channel)
        if message.headers is not None and ACCOUNT_MAIL in message.headers:
            message = msgspec.structs.replace(message, content=HIDDEN)
        values = {**_AS_KEPT, **msgspec.structs.asdict(message)}
        for name in _INTERNAL:
            del values[name]
        values["headers"] = None if message.headers is None else shown(message.headers)
        values["recipient"] = rules.show(message.recipient)
        values["retry"] = retries.shown(message.retry_delays, rules.retry_delays, max_tries=message.max_tries)
        values["mail"] = UNSET if message.mail is None else MailAnswer.of(message.mail)
        values["priority"] = _PRIORITIES[message.priority]
        if message.sms_parts is not None:
            values["gateway"], values["account"] = values["gateway"] or message.account, None
        return cls(**values)


_AS_KEPT: Final = {field.name: field.default for field in msgspec.structs.fields(Message) if not field.required}
_INTERNAL: Final = frozenset(Message.__struct_fields__) - frozenset(MessageAnswer.__struct_fields__)
_PRIORITIES: Final = {priority: priority.name.lower() for priority in Priority}


class Kept(StrEnum):
    """What a batch request did with one of its messages."""

    CREATED = "created"
    REPLAYED = "replayed"
    """An earlier request with the same idempotency key kept it."""
    NOT_KEPT = "not_kept"
    """It is not there; send it again."""


class BatchEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of a batch request."""

    status: Kept
    id: Annotated[UUID | None, Meta(description="Absent where it was not kept.")] = None
    detail: Annotated[str | None, Meta(description="Why it was not kept.")] = None


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a batch request."""

    accepted: int
    ids: Annotated[Sequence[UUID], Meta(description="Of the messages that are kept, in the order of the request.")]
    messages: Annotated[
        Sequence[BatchEntry],
        Meta(description="Each message of the request; absent where all of them were kept by one request."),
    ] = ()

    @classmethod
    def of(cls, entries: Sequence[BatchEntry]) -> Self:
        """The entries, listed only where they differ."""
        ids = [entry.id for entry in entries if entry.id is not None]
        alike = len({entry.status for entry in entries}) == 1
        return cls(accepted=len(ids), ids=ids, messages=() if alike else entries)


class MessageList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages, newest first."""

    messages: Sequence[MessageAnswer]
    next_cursor: Annotated[str | None, Meta(description="Names the next page; null on the last one.")]


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters, of which a message has to pass each one that is given."""

    status: Status | None = None
    channel: Name | None = None
    queue: Name | None = None
    recipient: Recipient | None = None
    held: Annotated[HeldReason | None, Meta(description="Those that wait for this.")] = None
    created_from: Annotated[
        Moment | None, Meta(description="Those that were handed in then or later: RFC 3339, or Unix time.")
    ] = None
    created_until: Annotated[Moment | None, Meta(description="Those that were handed in before.")] = None
    all: Annotated[bool, Meta(description="Instead of filters: every one that there is.")] = False
    limit: Annotated[
        int, Meta(ge=1, le=MAX_CHANGED, description="How many at the most; not where `wait` is false.")
    ] = MAX_CHANGED
    wait: Annotated[
        bool,
        Meta(
            description="False: answers 202 at once, changes all that there are, and shows at `Location` how far it is."
        ),
    ] = True


class RetrySelection(Selection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same, for retrying."""

    cancel_reason: Annotated[CancelReason | None, Meta(description="Those that were cancelled for this reason.")] = None


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages were changed."""

    count: int
    more: Annotated[bool, Meta(description="Whether there may be more of them: then the same request goes on.")]


class AttemptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at delivering a message."""

    try_number: int = msgspec.field(name="try")
    outcome: AttemptOutcome
    started_at: datetime
    duration: Annotated[float, Meta(description="Seconds.")]
    status_code: int | None
    error: str | None
    answer: str | None
    consumer: str

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """An attempt out of the store."""
        return msgspec.convert(attempt, cls, from_attributes=True)


class AttemptList(msgspec.Struct, frozen=True, kw_only=True):
    """The history of a message, oldest attempt first."""

    attempts: Sequence[AttemptAnswer]


class QueueList(msgspec.Struct, frozen=True, kw_only=True):
    """All queues, by name; a queue is answered as the store keeps it."""

    queues: Sequence[StoredQueue]
