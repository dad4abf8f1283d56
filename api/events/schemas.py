"""The JSON of events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from api.endpoints.schemas import Customer, EventType, Labels
from api.http.lengths import Moment
from tidings.domain.endpoint import EventMessage
from tidings.domain.states import Status

MESSAGES_SHOWN: Final = 100
PAYLOAD: Final = "Any JSON. It is kept and sent letter for letter, once for all endpoints."


class EventRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happened."""

    type: Annotated[EventType, Meta(description="Words with dots between them.")]
    payload: Annotated[msgspec.Raw, Meta(description=PAYLOAD)]
    customer: Annotated[
        Customer | None,
        Meta(description="Which of your own customers it concerns: it goes to their endpoints. Null: to your own."),
    ] = None
    id: Annotated[
        Annotated[str, Meta(max_length=255, pattern="^[!-~]{1,255}$")] | None,
        Meta(description="Names the event: the same id with the same event is one, however often it comes in a day."),
    ] = None
    due_at: Annotated[Moment | None, Meta(description="When it is sent: RFC 3339, or Unix time. Null: now.")] = None
    channels: Annotated[
        Labels | None,
        Meta(description="For endpoints that take some of them only (of yours, not those of messages)."),
    ] = None


class EventDocument(EventRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for the document at `/openapi.json`."""

    payload: Annotated[Any, Meta(description=PAYLOAD)]


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An event, as it was kept."""

    id: Annotated[UUID, Meta(description="What receivers see as `webhook-id`.")]
    type: str
    customer: str | None
    channels: Sequence[str] | None
    created_at: datetime
    messages: Annotated[int, Meta(description="How many endpoints it goes to, a message each.")]


class EventDetail(EventAnswer, frozen=True, kw_only=True):
    """An event with its payload, and what became of it."""

    payload: Any
    statuses: Annotated[Mapping[Status, int], Meta(description="How many of its messages are in each state.")]
    deliveries: Annotated[Sequence[EventMessage], Meta(description="Its first 100 messages.")]


class EventReplayRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sends an event again."""

    endpoint_id: Annotated[UUID | None, Meta(description="To this endpoint; null: to all that want it now.")] = None


class EventReplayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages that made."""

    messages: int


class StatusEventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A status event: what receivers get, and its id."""

    id: Annotated[UUID, Meta(description="What receivers see as `webhook-id`.")]
    type: Annotated[str, Meta(description="`message.sent`, `.failed`, `.held`, `.cancelled`, `.delivered`, …")]
    timestamp: Annotated[datetime, Meta(description="When it was changed.")]
    sequence: Annotated[int, Meta(description="Rises from event to event; gaps mean nothing.")]
    data: Annotated[Any, Meta(description="Of a message: its status at that moment.")]


class StatusEventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Status events, the oldest first."""

    events: Sequence[StatusEventAnswer]
    last: Annotated[int, Meta(description="The `after` of the next page.")]


class EventReadingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether status events are to be kept for reading."""

    enabled: bool


class EventReading(EventReadingRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether they are, and where to begin."""

    last: Annotated[int, Meta(description="The `sequence` of your last event; 0 where there is none.")]
