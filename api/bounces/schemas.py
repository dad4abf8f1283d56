"""The JSON of reports."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from api.bounces.report import Event
from tidings.domain.states import Receipt


class ReportedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the report says of one recipient, and what came of it."""

    address: Annotated[str | None, Meta(description="As the message has it; null where it is none of its recipients.")]
    event: Event
    status: Annotated[str | None, Meta(description="The enhanced status code (RFC 3463), such as `5.1.1`.")]
    diagnostic: str | None
    suppressed: Annotated[bool, Meta(description="Whether the address takes no more mail of this user.")]


class ReportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was read in a report, and what came of it."""

    message_id: UUID
    receipt: Annotated[Receipt | None, Meta(description="Of the message, now; null: nothing is known of its arrival.")]
    recipients: Sequence[ReportedAnswer]
