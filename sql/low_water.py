"""The low-water mark: for each claim lane, the place in the order of delivery before which nothing waits any more.

An index keeps the entry of a message that was claimed until the row's old version may be cleaned up, and while some
transaction stays open (a backup, a forgotten session) that is never. A claim that begins at the bottom of the index
then walks over everything that was delivered since; one that begins at the mark does not.

The mark is a guess that saves work. What lies below it is found all the same: Postgres notifies of a message that comes
in below, and a poll from the bottom, at short intervals, takes at most a twentieth of the time.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

ClaimLane: TypeAlias = tuple[int, str]
"""A priority and a queue."""

Mark: TypeAlias = tuple[datetime, UUID]
"""The due time and the id of a message: messages that are due at the same moment go in the order of their ids."""

_FIRST: Final = UUID(int=0)
BOTTOM: Final[Mark] = (datetime.min.replace(tzinfo=UTC), _FIRST)
POLL_SECONDS: Final = 1.0
"""How long the marks are trusted at least, before a poll from the bottom."""
POLL_SHARE: Final = 20
_ROUNDING: Final = timedelta(milliseconds=1)
"""A NOTIFY carries times as decimal seconds."""


class LowWater:
    """The marks of one producer; times are Postgres's."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: dict[ClaimLane, Mark] = {}
        self._notified: Mark | None = None
        """The lowest notified since the last poll began."""
        self._began = 0.0
        self._from_bottom = False
        self._trusted_until = 0.0

    def forget(self) -> None:
        """The next poll starts from the bottom."""
        self._trusted_until = 0.0

    def notified(self, due: float) -> None:
        """A message that is due then (Unix time of Postgres) waits."""
        low = (datetime.fromtimestamp(due, UTC) - _ROUNDING, _FIRST)
        self._notified = low if self._notified is None else min(self._notified, low)
        for claim_lane, mark in self._marks.items():
            if low < mark:
                self._marks[claim_lane] = low

    def marks(self) -> dict[ClaimLane, Mark]:
        """From where on messages can wait, in the claim lanes that are known; the others are read from the bottom."""
        return self._marks if self._clock() < self._trusted_until else {}

    def begin(self, claim_lanes: Sequence[ClaimLane]) -> list[Mark]:
        """A poll begins: at these marks, one for each claim lane."""
        self._began = self._clock()
        self._notified = None
        self._from_bottom = self._began >= self._trusted_until
        if self._from_bottom:
            self._marks.clear()
        return [self._marks.get(claim_lane, BOTTOM) for claim_lane in claim_lanes]

    def end(self, claim_lanes: Sequence[ClaimLane], reached: Sequence[Mark | None]) -> None:
        """The poll has taken all that waited before `reached`, but for what was notified meanwhile."""
        now = self._clock()
        if self._from_bottom:
            self._trusted_until = now + max(POLL_SECONDS, POLL_SHARE * (now - self._began))
        for claim_lane, mark in zip(claim_lanes, reached, strict=True):
            if mark is not None:
                self._marks[claim_lane] = mark if self._notified is None else min(mark, self._notified)
