"""Ids of messages, batches and accounts."""

import re
import secrets
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from tidings.domain.clock import CLOCK

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_COUNTER_BITS: Final = 42
_RANDOM_BITS: Final = 32
_CLOCK_SET_BACK: Final = 1000
"""Milliseconds: what is less is the clock's reading that got more exact, and the ids go on counting."""


def parse_id(text: str) -> UUID | None:
    """The id; None for any other text. `UUID` itself reads braces, URNs and more."""
    return UUID(text) if _ID.fullmatch(text) else None


class Ids:
    """Makes UUIDv7 (RFC 9562) of Postgres's time, which neither `uuid` nor uuid-utils take from elsewhere.

    Within a millisecond a counter goes on from a random beginning (method 1 of section 6.2).
    """

    def __init__(self) -> None:
        self._milliseconds = 0
        self._counter = 0

    def new(self) -> UUID:
        """The next one of this process: greater than those before, unless the clock was set back."""
        now = int(CLOCK.seconds() * 1000)
        if not self._milliseconds - _CLOCK_SET_BACK < now <= self._milliseconds:
            self._milliseconds = now
            # Half of the room stays free for counting.
            self._counter = secrets.randbits(_COUNTER_BITS - 1)
        else:
            self._counter += 1
        high, low = divmod(self._counter, 1 << (_COUNTER_BITS - 12))
        return UUID(
            int=self._milliseconds << 80
            | 7 << 76
            | high << 64
            | 2 << 62
            | low << _RANDOM_BITS
            | secrets.randbits(_RANDOM_BITS)
        )


new_id: Final = Ids().new
"""A UUIDv7: ordered by time, which is what the partitions of `messages` rely on."""


def time_of(id: UUID) -> datetime:  # noqa: A002
    """The time that a UUIDv7 was made at, to the millisecond."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)
