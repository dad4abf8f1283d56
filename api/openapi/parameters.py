"""Parameters that more than one route has."""

from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta

from api.http import lengths
from api.messages import idempotency
from api.messages.listing import DEFAULT_LIMIT, MAX_LIMIT
from api.openapi import examples, gateway_examples
from api.openapi.operation import Parameter
from tidings.domain.audit import Action
from tidings.domain.message import DEFAULT_QUEUE, QUEUE_NAME_PATTERN
from tidings.domain.states import HeldReason, ReceiptFilter, Status
from tidings.domain.suppression import SuppressionReason

_Cursor = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{22}$")]
_Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, extra_json_schema={"default": DEFAULT_LIMIT})]
_QueueName = Annotated[str, Meta(pattern=f"^{QUEUE_NAME_PATTERN}$")]
_Key = Annotated[str, Meta(pattern="^[!-~]{1,255}$")]

_Moment = Annotated[
    str,
    Meta(
        max_length=lengths.MAX_TIME,
        extra_json_schema={"anyOf": [{"format": "date-time"}, {"pattern": r"^[0-9]+(\.[0-9]+)?$"}]},
    ),
]

MESSAGE_ID: Final = Parameter("id", UUID, "The id of a message.", examples.MESSAGE_ID, "path")
CHANGE_ID: Final = Parameter("change_id", UUID, "The id of a bulk change.", examples.CHANGE.id, "path")
USER_ID: Final = Parameter("id", UUID, "The id of a user.", examples.USER_ID, "path")
DELETION_ID: Final = Parameter("deletion_id", UUID, "The id of a deletion.", examples.DELETION_ID, "path")
KEY_ID: Final = Parameter("key_id", UUID, "The id of an API key.", examples.KEY_ID, "path")
SMTP_ACCOUNT: Final = Parameter("name", str, "The name of an SMTP account.", examples.SMTP_ACCOUNT.name, "path")
SESSION_ID: Final = Parameter("session_id", UUID, "The id of a session.", examples.SESSION.id, "path")
HOLD_ID: Final = Parameter("hold_id", UUID, "The id of a hold.", examples.HOLD.id, "path")
GATEWAY_ID: Final = Parameter("gateway_id", UUID, "The id of a gateway.", gateway_examples.GATEWAY.id, "path")
SUPPRESSION_ID: Final = Parameter("suppression_id", UUID, "The id of a suppression.", examples.SUPPRESSION.id, "path")
QUEUE_NAME: Final = Parameter("name", lengths.Name, "The name of a queue.", DEFAULT_QUEUE, "path")
NEW_QUEUE_NAME: Final = Parameter(
    "name", _QueueName, "The name of a queue, which need not be there yet.", "newsletter", "path"
)

IDEMPOTENCY_KEY: Final = Parameter(
    idempotency.HEADER,
    _Key,
    "Names the request: the same key with the same request is the same message, however often it comes.",
    "order-4711-shipped",
    "header",
)

ENVELOPE_RECIPIENT: Final = Parameter(
    "recipient",
    lengths.Mailbox,
    "The address that the report came for, where the mail server's pipe knows it.",
    f"bounces+{examples.MESSAGE_ID}@example.com",
)
SUPPRESSION_FILTER: Final = (
    Parameter("address", lengths.EmailAddress, "This address.", examples.SUPPRESSION.address),
    Parameter("reason", SuppressionReason, "Those that are there for this reason.", SuppressionReason.BOUNCE),
)

AUDIT_FILTER: Final = (
    Parameter("user_id", UUID, "What this user did, and what others did to theirs.", examples.USER_ID),
    Parameter("action", Action, "Those that did this.", Action.QUEUE_STOP),
    Parameter(
        "subject",
        lengths.Name,
        "Those that did it to this: a queue by its name, anything else by its id.",
        DEFAULT_QUEUE,
    ),
    Parameter("created_from", _Moment, "Those that were done then or later: RFC 3339, or Unix time.", examples.CREATED),
    Parameter("created_until", _Moment, "Those that were done before.", examples.DUE),
)

PAGE: Final = (
    Parameter("limit", _Limit, "How many of them at the most.", DEFAULT_LIMIT),
    Parameter("cursor", _Cursor, "`next_cursor` of the page before.", examples.CURSOR),
)
"""What every list knows."""

_FROM: Final = datetime(2030, 1, 1, tzinfo=UTC)

MESSAGE_FILTER: Final = (
    Parameter("status", Status, "Those that are in this state.", Status.FAILED),
    Parameter("channel", lengths.Name, "Those of this channel.", "sms"),
    Parameter("queue", lengths.Name, "Those of this queue.", DEFAULT_QUEUE),
    Parameter("recipient", lengths.Recipient, "Those to this recipient, written as answers show it.", "+905551111111"),
    Parameter("held", HeldReason, "Those that wait for this.", HeldReason.GATEWAY),
    Parameter("receipt", ReceiptFilter, "Those with this receipt, or with none.", ReceiptFilter.UNDELIVERED),
    Parameter("created_from", _Moment, "Those that were handed in then or later: RFC 3339, or Unix time.", _FROM),
    Parameter("created_until", _Moment, "Those that were handed in before.", examples.CREATED),
)
"""Which messages are meant."""
