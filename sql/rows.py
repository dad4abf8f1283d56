"""What rows of messages are read into."""

from typing import Any, Final

import asyncpg
import msgspec

from tidings.domain.message import Message, Priority
from tidings.domain.states import CancelReason, HeldReason, Receipt, Status

_COLUMNS: Final = frozenset(Message.__struct_fields__)


def message_of(row: asyncpg.Record) -> Message:
    """The columns `message_columns` or `listed`, whatever else the row has."""
    values: dict[str, Any] = {name: value for name, value in row.items() if name in _COLUMNS}
    values["headers"] = None if row["headers"] is None else msgspec.json.decode(row["headers"], type=dict[str, str])
    values["retry_delays"] = retry_delays(row["retry_delays"])
    values["priority"] = Priority(row["priority"])
    values["status"] = Status(row["status"])
    values["cancel_reason"] = None if row["cancel_reason"] is None else CancelReason(row["cancel_reason"])
    # While a message is on its way, and after its end, the column says what held it before.
    waits = values["status"] in {Status.PENDING, Status.FAILED} and row["held_reason"] is not None
    values["held_reason"] = HeldReason(row["held_reason"]) if waits else None
    values["held_since"] = row["held_since"] if waits else None
    values["receipt"] = None if row["receipt"] is None else Receipt(row["receipt"])
    return Message(**values)


def retry_delays(column: str | None) -> tuple[float, ...] | None:
    """The column `retry_delays` of messages and queues."""
    return None if column is None else msgspec.json.decode(column, type=tuple[float, ...])
