"""Webhook endpoints, and the events that fan out to them.

An endpoint belongs to a user, or to the operator. It takes the events of one customer of its user's (`ALL_CUSTOMERS`:
of all), of some types or of all.
"""

from base64 import b64encode
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from tidings.domain.account import Redacted, Sealed
from tidings.domain.states import CancelReason, HeldReason, Status

ALL_CUSTOMERS: Final = "*"
MAX_ENDPOINTS: Final = 1000
"""Of one owner."""
OPERATORS: Final = UUID(int=0)
"""The owner of the operator's own, where null would be none."""


class DisabledReason(StrEnum):
    """Why nothing is sent to an endpoint."""

    REQUESTED = "requested"
    """By a request."""
    GONE = "gone"
    """Its receiver answered 410."""
    FAILING = "failing"
    """Nothing but failures for a long time."""


class Basic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="basic"):
    """User name and password (RFC 7617)."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Basic(…)"

    @property
    def authorization(self) -> str:
        pair = b64encode(f"{self.username}:{self.password}".encode()).decode()
        return f"Basic {pair}"


class Bearer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="bearer"):
    """A token (RFC 6750)."""

    token: str

    def __repr__(self) -> str:
        return "Bearer(…)"

    @property
    def authorization(self) -> str:
        return f"Bearer {self.token}"


class Private(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an endpoint is sent that nobody else may see: sealed as a whole."""

    headers: dict[str, str] = {}
    credentials: Basic | Bearer | None = None
    chain: str | None = None
    """PEM of the client certificate, its own first."""
    key: str | None = None

    def __repr__(self) -> str:
        return "Private(…)"


class Endpoint(Redacted, frozen=True, kw_only=True):
    """An endpoint as Postgres keeps it. All times are UTC."""

    id: UUID
    user_id: UUID | None
    """None: the operator's."""
    url: str
    description: str = ""
    customer: str | None = None
    """None: takes the events that are of no customer."""
    event_types: tuple[str, ...] | None = None
    """Types, and `invoice.*` for all that begin so. None: all."""
    labels: tuple[str, ...] | None = None
    """Takes the events that have one of these. None: all."""
    sealed: Sealed | None = None
    """`Private`."""
    secret: Sealed
    previous_secret: Sealed | None = None
    """Signs too until `previous_until`."""
    previous_until: datetime | None = None
    rate_limit: int | None = None
    """Messages a second, by all consumers together."""
    retry_delays: tuple[float, ...] | None = None
    max_tries: int | None = None
    disabled_at: datetime | None = None
    """Since when nothing is sent there."""
    disabled_reason: DisabledReason | None = None
    failing_since: datetime | None = None
    """Since when every attempt has failed."""
    last_failed_at: datetime | None = None
    last_error: str | None = None
    created_at: datetime
    updated_at: datetime


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, for all endpoints that want to hear of it."""

    id: UUID
    user_id: UUID | None
    type: str
    customer: str | None = None
    labels: tuple[str, ...] | None = None
    payload: str
    """JSON, letter for letter as it came."""
    created_at: datetime


class Event(NewEvent, frozen=True, kw_only=True):
    """An event as Postgres keeps it."""

    endpoint_id: UUID | None = None
    """A test: goes to this endpoint and to no other."""


class EventMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an event at one endpoint."""

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
