"""Examples of events, for the document."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from api.events.schemas import (
    EventAnswer,
    EventDetail,
    EventReading,
    EventReplayed,
    StatusEventAnswer,
    StatusEventPage,
)
from api.openapi.examples import CREATED, DUE, MESSAGE_ID
from api.openapi.operation import Parameter
from tidings.domain.endpoint import EventMessage
from tidings.domain.states import Status
from tidings.domain.status_event import MessageStatus

EVENT_ID: Final = UUID("0197d7a4-7f20-7c05-b1d2-3e4f5a6b7c8d")
ENDPOINT_ID: Final = UUID("0197d7a4-6a11-7d88-9c3e-4b5a6d7e8f90")

EVENT_PARAMETER: Final = Parameter("event_id", UUID, "The id of an event.", EVENT_ID, "path")

_PAYLOAD: Final = {"invoice": 4711, "total": "12.50"}
_REQUEST: Final = {"type": "invoice.paid", "customer": "acme", "payload": _PAYLOAD}
REQUESTS: Final[Mapping[str, Any]] = {
    "for the endpoints of a customer": _REQUEST,
    "for your own endpoints, once, whatever comes of the connection": {
        "type": "stock.low",
        "id": "stock-4711-2030-01-31",
        "payload": {"article": 4711, "left": 3},
    },
}
REPLAYS: Final[Mapping[str, Any]] = {"to all": {}, "to one": {"endpoint_id": str(ENDPOINT_ID)}}

EVENT: Final = EventAnswer(
    id=EVENT_ID, type="invoice.paid", customer="acme", channels=None, created_at=CREATED, messages=1
)
EVENT_DETAIL: Final = EventDetail(
    id=EVENT_ID,
    type="invoice.paid",
    customer="acme",
    channels=None,
    created_at=CREATED,
    messages=1,
    payload=_PAYLOAD,
    statuses={Status.SENT: 1},
    deliveries=[
        EventMessage(
            id=MESSAGE_ID,
            endpoint_id=ENDPOINT_ID,
            recipient="https://acme.example.com/hooks",
            status=Status.SENT,
            tries=1,
            due_at=CREATED,
            sent_at=DUE,
            cancel_reason=None,
            last_error=None,
            held_reason=None,
        )
    ],
)
EVENT_REPLAYED: Final = EventReplayed(messages=1)

READING: Final = EventReading(enabled=True, last=4711)
STATUS_EVENTS: Final = StatusEventPage(
    events=[
        StatusEventAnswer(
            id=EVENT_ID,
            type="message.sent",
            timestamp=DUE,
            sequence=4712,
            data=MessageStatus(
                message_id=MESSAGE_ID,
                status=Status.SENT,
                queue="default",
                channel="sms",
                recipient="+905551111111",
                tries=1,
                max_tries=5,
                due_at=CREATED,
                sent_at=DUE,
                created_at=CREATED,
                provider_message_id="SM1f0e8ae6",
                cancel_reason=None,
                last_error=None,
                held_reason=None,
                receipt=None,
                receipt_detail=None,
            ),
        )
    ],
    last=4712,
)
