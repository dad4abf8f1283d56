"""The low-water mark: for each lane, the place in the order of delivery before which nothing waits any more.

An index keeps the entry of a message that was claimed until the row's old version may be cleaned up, and while some
transaction stays open (a backup, a forgotten session) that is never. A claim that begins at the bottom of the index
then walks over everything that was delivered since; one that begins at the mark does not.

The mark is a guess that saves work. What may lie below it is found: a message that comes in below says so by NOTIFY,
and at short intervals a look starts from the bottom again, which takes at most a twentieth of the time.
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
LOOK_SECONDS: Final = 1.0
"""How long the marks are trusted at least, before a look from the bottom."""
LOOK_SHARE: Final = 20
_ROUNDING: Final = timedelta(milliseconds=1)
"""Times that were told travel as decimal seconds."""


class LowWater:
    """The marks of one producer; times are Postgres's."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: dict[ClaimLane, Mark] = {}
        self._told: Mark | None = None
        """The lowest that was told of since the last look began."""
        self._began = 0.0
        self._from_bottom = False
        self._trusted_until = 0.0

    def forget(self) -> None:
        """The next look starts from the bottom."""
        self._trusted_until = 0.0

    def tell(self, due: float) -> None:
        """A message that is due then (Unix time of Postgres) waits."""
        told = (datetime.fromtimestamp(due, UTC) - _ROUNDING, _FIRST)
        self._told = told if self._told is None else min(self._told, told)
        for lane, mark in self._marks.items():
            if told < mark:
                self._marks[lane] = told

    def marks(self) -> dict[ClaimLane, Mark]:
        """Where anything can wait in the lanes that are known; the others are to be looked at from the bottom."""
        return self._marks if self._clock() < self._trusted_until else {}

    def begin(self, lanes: Sequence[ClaimLane]) -> list[Mark]:
        """A look begins: where, for each lane."""
        self._began = self._clock()
        self._told = None
        self._from_bottom = self._began >= self._trusted_until
        if self._from_bottom:
            self._marks.clear()
        return [self._marks.get(lane, BOTTOM) for lane in lanes]

    def end(self, lanes: Sequence[ClaimLane], reached: Sequence[Mark | None]) -> None:
        """The look has taken all that waited before `reached`, but for what was told of meanwhile."""
        now = self._clock()
        if self._from_bottom:
            self._trusted_until = now + max(LOOK_SECONDS, LOOK_SHARE * (now - self._began))
        for lane, mark in zip(lanes, reached, strict=True):
            if mark is not None:
                self._marks[lane] = mark if self._told is None else min(mark, self._told)
