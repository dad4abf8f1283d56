"""Ids of messages, batches and accounts."""

import re
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def parse_id(text: str) -> UUID | None:
    """The id; None for any other text. `UUID` itself reads braces, URNs and more."""
    return UUID(text) if _ID.fullmatch(text) else None


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ordered by time, which is what the partitions of `messages` rely on."""
    return uuid7()


def time_of(id: UUID) -> datetime:  # noqa: A002
    """The time that a UUIDv7 was made at, to the millisecond."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)
