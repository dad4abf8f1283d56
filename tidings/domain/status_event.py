"""Status events: what became of a message, an endpoint or a gateway, told to whoever wants to know."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from tidings.domain.states import CancelReason, HeldReason, Receipt, Status

ENDPOINT_DISABLED: Final = "endpoint.disabled"
GATEWAY_HELD: Final = "gateway.held"


class MessageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a message was when its status changed. The content, which the sender knows, is not among it."""

    message_id: UUID
    status: Status
    queue: str
    channel: str
    recipient: str
    tries: int
    max_tries: int
    due_at: datetime
    sent_at: datetime | None
    created_at: datetime
    provider_message_id: str | None
    cancel_reason: CancelReason | None
    last_error: str | None
    held_reason: HeldReason | None
    receipt: Receipt | None
    receipt_detail: str | None


class StatusChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change that has its number, and is not an event yet."""

    sequence: int
    user_id: UUID | None
    type: str
    callback_url: str | None
    data: dict[str, Any] | MessageStatus
    changed_at: datetime


class StatusPayload(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a status event, as Standard Webhooks recommends it."""

    type: str
    timestamp: datetime
    """When it was changed."""
    sequence: int
    """Rises from event to event; those of one message are in the order of its changes."""
    data: dict[str, Any] | MessageStatus


class StatusEvent(msgspec.Struct, frozen=True):
    """A status event as it is read."""

    sequence: int
    id: UUID
    type: str
    payload: str
