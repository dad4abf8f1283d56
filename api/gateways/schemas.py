"""The JSON of SMS gateways. None of them shows a credential, in an answer or in its representation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.channels.sms.configured import MAX_CREDENTIAL, NAME_PATTERN, Prefix
from tidings.channels.sms.configured import Sender as SenderText
from tidings.domain.account import Redacted
from tidings.domain.gateway import HIGHEST_WEIGHT, Gateway

MAX_SENDERS: Final = 100
MAX_PREFIXES: Final = 300
MAX_USERS: Final = 1000
MAX_CREDENTIALS: Final = 20
CredentialName = Annotated[str, Meta(max_length=64)]
Credential = Annotated[str, Meta(max_length=MAX_CREDENTIAL)]
MAX_URL: Final = 2000

Section = Annotated[dict[str, Any], Meta(max_length=20)]


class GatewayChanges(Redacted, frozen=True, kw_only=True):
    """What a gateway becomes; what is absent stays as it is.

    Credentials stand beside these fields, under the names that the preset has for them, or in `credentials`.
    """

    preset: Annotated[
        Annotated[str, Meta(max_length=64)] | UnsetType | None,
        Meta(description="What kind of gateway it is; null: `request`, `success`, `errors` and `receipt` say it all."),
    ] = UNSET
    request: Annotated[
        Section | UnsetType, Meta(description="What is sent, where that is otherwise than in the preset.")
    ] = UNSET
    success: Annotated[Section | UnsetType, Meta(description="What says that it was taken.")] = UNSET
    errors: Annotated[Section | UnsetType, Meta(description="What a refusal means.")] = UNSET
    receipt: Annotated[Section | UnsetType, Meta(description="What delivery reports look like.")] = UNSET
    base_url: Annotated[
        Annotated[str, Meta(max_length=MAX_URL)] | UnsetType,
        Meta(description="Where it is; empty: where its preset says."),
    ] = UNSET
    credentials: Annotated[
        Annotated[dict[CredentialName, Credential | None], Meta(max_length=MAX_CREDENTIALS)] | UnsetType,
        Meta(description="By the names that its preset has, such as `account_sid`; null takes one away."),
    ] = UNSET
    senders: Annotated[
        SenderText | Annotated[list[SenderText], Meta(max_length=MAX_SENDERS)] | UnsetType,
        Meta(description="Whom messages may be from: numbers and names; the first one where they do not say."),
    ] = msgspec.field(default=UNSET, name="from")
    users: Annotated[
        Annotated[list[UUID], Meta(max_length=MAX_USERS)] | UnsetType | None,
        Meta(description="Of the operator's: who may use it; null: everybody."),
    ] = UNSET
    prefixes: Annotated[
        Annotated[list[Prefix], Meta(max_length=MAX_PREFIXES)] | UnsetType | None,
        Meta(description="Of numbers that it is for, such as `+49`; null: all."),
    ] = UNSET
    short_codes: Annotated[bool | UnsetType, Meta(description="Whether it takes numbers of 3 to 6 digits.")] = UNSET
    weight: Annotated[
        Annotated[int, Meta(ge=0, le=HIGHEST_WEIGHT)] | UnsetType,
        Meta(description="Its part among those for the same prefix; 0: only where no other can go."),
    ] = UNSET
    allow_duplicates: Annotated[
        bool | UnsetType,
        Meta(
            description="Whether a message that it may have taken, without an answer, goes to another where it is held."
        ),
    ] = UNSET
    per_second: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | UnsetType | None,
        Meta(description="Messages a second at the most."),
    ] = UNSET
    concurrency: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | UnsetType | None,
        Meta(description="In flight at a time, of each consumer."),
    ] = UNSET
    price: Annotated[
        Annotated[str, Meta(max_length=64)] | UnsetType | None, Meta(description="Of a part, for people: `0.0075 EUR`.")
    ] = UNSET
    enabled: bool | UnsetType = UNSET


class GatewayRequest(GatewayChanges, frozen=True, kw_only=True):
    """A new gateway."""

    name: Annotated[str, Meta(max_length=64, pattern=NAME_PATTERN)]
    shared: Annotated[
        bool,
        Meta(description="Whether it is the operator's, for all users: admins alone make such. Its own are always."),
    ] = False


class GatewayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway, without its credentials."""

    id: UUID
    name: str
    shared: Annotated[bool, Meta(description="Whether it is the operator's.")]
    preset: str | None
    spec: Annotated[dict[str, Any] | None, Meta(description="What is otherwise than in the preset.")]
    base_url: str
    credentials: Annotated[Sequence[str], Meta(description="The names of those that are kept.")]
    senders: Sequence[str] = msgspec.field(name="from")
    users: Sequence[UUID] | None
    prefixes: Sequence[str] | None
    short_codes: bool
    weight: int
    allow_duplicates: bool
    per_second: int | None
    concurrency: int | None
    price: str | None
    enabled: bool
    receipt_url: Annotated[
        str | None, Meta(description="Where its provider sends delivery reports; null: there is no `PUBLIC_URL`.")
    ]
    created_at: datetime
    updated_at: datetime


class GatewayList(msgspec.Struct, frozen=True, kw_only=True):
    """The own gateways; for admins those of the operator too."""

    gateways: Sequence[GatewayAnswer]


class PresetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of gateway that tidings knows how to speak to."""

    name: str
    title: str
    docs: Annotated[str, Meta(description="What it goes by, of its provider's documents.")]
    base_url: Annotated[str, Meta(description="Where it is; empty: each gateway says so itself.")]
    credentials: Annotated[Sequence[str], Meta(description="The names of those that it needs.")]
    optional: Annotated[Sequence[str], Meta(description="The names of those that it may have.")]
    needs_from: Annotated[bool, Meta(description="Whether it takes no message without a sender.")]


class PresetList(msgspec.Struct, frozen=True, kw_only=True):
    """All presets, by name."""

    presets: Sequence[PresetAnswer]


def answer_of(gateway: Gateway, credentials: Sequence[str], receipt_url: str | None) -> GatewayAnswer:
    """A gateway as it is kept."""
    names = set(GatewayAnswer.__struct_fields__) & set(Gateway.__struct_fields__)
    values: dict[str, Any] = {name: getattr(gateway, name) for name in names}
    values |= {"credentials": credentials, "shared": gateway.user_id is None, "receipt_url": receipt_url}
    return GatewayAnswer(**values, allow_duplicates=gateway.allows_duplicates)
