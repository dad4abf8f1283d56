"""Which messages are meant when many are cancelled or retried at once: the filters of a list, in a body.

One filter at least, or `all`: an empty body by mistake must not cancel everything that waits.
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from api.http.problems import Fault, InvalidError
from api.messages.listing import EPOCH
from sql.messages import MessageFilter
from tidings.domain.states import CancelReason, Status
from tidings.domain.timestamps import TimestampError, parse_timestamp

MOST: Final = 10_000
"""Messages that one request changes; for more it is sent again."""


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters, of which a message has to pass each one that is given."""

    status: Status | None = None
    channel: str | None = None
    queue: str | None = None
    recipient: str | None = None
    created_from: str | int | float | None = None
    """Those that were handed in then or later: RFC 3339, or Unix time."""
    created_until: str | int | float | None = None
    """Those that were handed in before."""
    all: bool = False
    """Instead of filters: every one that there is."""
    limit: Annotated[int, Meta(ge=1, le=MOST)] = MOST
    """How many at the most."""


class RetrySelection(Selection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same, for retrying."""

    cancel_reason: CancelReason | None = None
    """Those that were cancelled for this reason."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages were changed."""

    count: int
    more: bool
    """Whether there may be more of them: then the same request goes on."""


def to_filter(selection: Selection, user_id: UUID | None, *, statuses: frozenset[Status]) -> MessageFilter:
    """The filter for the store, with each moment read. Raises InvalidError, naming every wrong field."""
    faults: list[Fault] = []

    def moment(name: str, value: str | float | None) -> datetime | None:
        try:
            return None if value is None else max(parse_timestamp(value), EPOCH)
        except TimestampError as error:
            faults.append(Fault(field=name, detail=str(error)))
            return None

    wanted = MessageFilter(
        user_id=user_id,
        status=selection.status,
        channel=selection.channel,
        queue=selection.queue,
        recipient=selection.recipient,
        created_from=moment("created_from", selection.created_from),
        created_until=moment("created_until", selection.created_until),
    )
    if selection.status is not None and selection.status not in statuses:
        faults.append(Fault(field="status", detail=f"must be one of {', '.join(sorted(statuses))}"))
    texts = {"channel": selection.channel, "queue": selection.queue, "recipient": selection.recipient}
    faults += [Fault(field=name, detail="is not valid text") for name, text in texts.items() if "\0" in (text or "")]
    if _filters(selection) == selection.all and not faults:
        detail = "stands for having no filter" if selection.all else "must be true where no filter is given"
        faults.append(Fault(field="all", detail=detail))
    if faults:
        raise InvalidError(faults)
    return wanted


def _filters(selection: Selection) -> bool:
    """Whether there is one."""
    fields = (name for name in selection.__struct_fields__ if name not in {"all", "limit"})
    return any(getattr(selection, name) is not None for name in fields)
