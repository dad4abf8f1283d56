"""The JSON of webhook endpoints. No answer shows a secret, but for the one in which a signing secret is new."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.http.lengths import Moment, Recipient
from api.messages.schemas import HeaderName, HeaderValue
from sql.events import Which
from tidings.domain.account import Redacted
from tidings.domain.endpoint import ALL_CUSTOMERS, Basic, Bearer, DisabledReason
from tidings.domain.retry import RetryDelays

MAX_TYPES: Final = 100
MAX_LABELS: Final = 20
MAX_HEADERS: Final = 50
MAX_HEADER_BYTES: Final = 16 * 1024
"""Of all headers together: what common servers take."""
MAX_BODY: Final = 128 * 1024
MAX_PEM: Final = 32 * 1024
MAX_RATE: Final = 10_000
MAX_TRIES: Final = 100
MAX_CUSTOMER: Final = 200
MAX_TYPE: Final = 128
MAX_SECRET: Final = 128
TRIAL_PAYLOAD: Final = "Any JSON; null: one that says that it is a test."

_SEGMENT: Final = "[A-Za-z0-9_-]+"
TYPE_PATTERN: Final = rf"^{_SEGMENT}(\.{_SEGMENT})*$"

EventType = Annotated[str, Meta(max_length=MAX_TYPE, pattern=TYPE_PATTERN, examples=["invoice.paid"])]
_TypeOrAll = Annotated[
    str, Meta(max_length=MAX_TYPE, pattern=rf"^{_SEGMENT}(\.{_SEGMENT})*(\.\*)?$", examples=["invoice.*"])
]
Label = Annotated[str, Meta(min_length=1, max_length=MAX_TYPE, pattern=r"^[!-~]+$")]
Labels = Annotated[list[Label], Meta(min_length=1, max_length=MAX_LABELS)]
Customer = Annotated[str, Meta(min_length=1, max_length=MAX_CUSTOMER)]
_Types = Annotated[list[_TypeOrAll], Meta(min_length=1, max_length=MAX_TYPES)]
_Headers = Annotated[dict[HeaderName, HeaderValue], Meta(max_length=MAX_HEADERS)]
_Description = Annotated[str, Meta(max_length=500)]
_Rate = Annotated[int, Meta(ge=1, le=MAX_RATE)]
_Tries = Annotated[int, Meta(ge=1, le=MAX_TRIES)]
_Pem = Annotated[str, Meta(min_length=1, max_length=MAX_PEM)]

_CUSTOMER: Final = (
    "Of which of your own customers it takes the events, by an id that you choose. Null: those of no customer. "
    f"`{ALL_CUSTOMERS}`: all of them, for an endpoint of your own."
)
_TYPES: Final = "`invoice.paid` takes that type, `invoice.*` all that begin so. Null: all types."
_CHANNELS: Final = "Takes the events that name one of these channels (of yours, not those of messages). Null: all."


class ClientCertificateRequest(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the receiver is shown where it asks for a certificate (mTLS)."""

    certificate: Annotated[_Pem, Meta(description="PEM, with its chain, its own first.")]
    key: Annotated[_Pem, Meta(description="PEM, not encrypted.")]

    def __repr__(self) -> str:
        return "ClientCertificateRequest(…)"


class EndpointRequest(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new endpoint."""

    url: Annotated[Recipient, Meta(examples=["https://acme.example.com/hooks"])]
    description: _Description = ""
    customer: Annotated[Customer | None, Meta(description=_CUSTOMER)] = None
    event_types: Annotated[_Types | None, Meta(description=_TYPES)] = None
    channels: Annotated[Labels | None, Meta(description=_CHANNELS)] = None
    headers: Annotated[_Headers, Meta(description="Sent along; kept encrypted.")] = msgspec.field(default_factory=dict)
    credentials: Annotated[Basic | Bearer | None, Meta(description="Sent as `Authorization`; kept encrypted.")] = None
    client_certificate: Annotated[ClientCertificateRequest | None, Meta(description="Kept encrypted.")] = None
    rate_limit: Annotated[_Rate | None, Meta(description="Messages a second at the most.")] = None
    retry: Annotated[
        RetryDelays | None, Meta(description="When its messages are tried again; null: as webhooks are.")
    ] = None
    max_tries: Annotated[_Tries | None, Meta(description="Null: one more than there are delays.")] = None
    secret: Annotated[
        Annotated[str, Meta(max_length=MAX_SECRET)] | None,
        Meta(description="`whsec_` and the base64 of 24 to 64 random bytes. Null: one is made."),
    ] = None


class EndpointChange(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of an endpoint is to be another; what is absent stays."""

    url: Recipient | UnsetType = UNSET
    description: _Description | UnsetType = UNSET
    customer: Annotated[Customer | UnsetType | None, Meta(description=_CUSTOMER)] = UNSET
    event_types: Annotated[_Types | UnsetType | None, Meta(description=_TYPES)] = UNSET
    channels: Annotated[Labels | UnsetType | None, Meta(description=_CHANNELS)] = UNSET
    headers: Annotated[_Headers | UnsetType, Meta(description="All of them.")] = UNSET
    credentials: Basic | Bearer | UnsetType | None = UNSET
    client_certificate: ClientCertificateRequest | UnsetType | None = UNSET
    rate_limit: _Rate | UnsetType | None = UNSET
    retry: RetryDelays | UnsetType | None = UNSET
    max_tries: _Tries | UnsetType | None = UNSET


class SecretRequest(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another signing secret."""

    secret: Annotated[
        Annotated[str, Meta(max_length=MAX_SECRET)] | None, Meta(description="Your own. Null: one is made.")
    ] = None


class EndpointAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint, without its secrets."""

    id: UUID
    user_id: Annotated[UUID | None, Meta(description="Whose it is; null: the operator's.")]
    url: str
    description: str
    customer: str | None
    event_types: Sequence[str] | None
    channels: Sequence[str] | None
    headers: Annotated[
        dict[str, str] | None,
        Meta(description="Without their values; null where `SECRET_KEYS` no longer open what is kept."),
    ]
    credentials: Annotated[Literal["basic", "bearer"] | None, Meta(description="Their kind.")]
    has_client_certificate: bool
    rate_limit: int | None
    retry: RetryDelays | None
    max_tries: int | None
    previous_secret_until: Annotated[
        datetime | None, Meta(description="Until when the secret before signs too; null: there is none.")
    ]
    disabled_at: Annotated[datetime | None, Meta(description="Since when nothing is sent there; null: it is on.")]
    disabled_reason: DisabledReason | None
    failing_since: Annotated[
        datetime | None, Meta(description="Since when every attempt has failed; null: the last ones did not.")
    ]
    last_failed_at: datetime | None
    last_error: Annotated[str | None, Meta(description="Of the last attempt that failed.")]
    created_at: datetime
    updated_at: datetime


class EndpointList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of endpoints, newest first."""

    endpoints: Sequence[EndpointAnswer]
    next_cursor: Annotated[str | None, Meta(description="Names the next page; null on the last one.")]


class TrafficAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of its messages."""

    waiting: Annotated[int, Meta(description="Messages that wait, counted up to 100,000.")]
    held: Annotated[int, Meta(description="Those of them that wait for something else than their due time.")]
    sent: Annotated[int, Meta(description="Of its last 1,000 messages; so are the next two.")]
    failed: Annotated[int, Meta(description="Tried in vain, and tried again.")]
    cancelled: int
    success_rate: Annotated[float | None, Meta(description="The part of these that was sent; null: there are none.")]
    last_sent_at: datetime | None


class EndpointDetail(EndpointAnswer, frozen=True, kw_only=True):
    """An endpoint, and what becomes of its messages."""

    traffic: TrafficAnswer


class EndpointSecret(EndpointAnswer, frozen=True, kw_only=True):
    """An endpoint with a new secret."""

    secret: Annotated[str, Meta(description="Shown this once: the receiver verifies with it.")]


class Enabled(EndpointAnswer, frozen=True, kw_only=True):
    """An endpoint that is on."""

    messages: Annotated[int, Meta(description="Messages that had waited for it and go in a few seconds.")]


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that is no more."""

    endpoint: EndpointAnswer
    cancelled: Annotated[int, Meta(description="Messages that waited; of very many, the others follow when due.")]


class EventTrialRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event for one endpoint alone."""

    type: EventType = "tidings.test"
    payload: Annotated[msgspec.Raw, Meta(description=TRIAL_PAYLOAD)] = msgspec.Raw(b"null")


class EventTrialDocument(EventTrialRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for the document at `/openapi.json`."""

    payload: Annotated[Any, Meta(description=TRIAL_PAYLOAD)] = None


class EventTrialAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A test event that is on its way."""

    event_id: UUID
    message_id: Annotated[UUID, Meta(description="Whose attempts say how it went.")]


class SpanRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events of a span of time."""

    since: Annotated[Moment, Meta(description="Those that came then or later: RFC 3339, or Unix time.")]
    until: Annotated[Moment | None, Meta(description="Those that came before; null: until now.")] = None
    cursor: Annotated[
        Annotated[str, Meta(max_length=64)] | None, Meta(description="`next_cursor` of the answer before, to go on.")
    ] = None


class ReplayRequest(SpanRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events of a span of time, to be sent again."""

    which: Annotated[
        Which,
        Meta(description="`all`, also what was sent; `failed`: what was cancelled; `missing`: and what it never had."),
    ] = Which.ALL


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent again."""

    messages: int
    next_cursor: Annotated[str | None, Meta(description="Where to go on: there may be more. Null: that was all.")]
