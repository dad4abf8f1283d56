"""What one consumer may have in flight: a fast share, a larger slow one, and bytes beside counts.

Pure and in memory only. The fast share is for destinations that answer promptly. Whatever has waited for an answer for
more than `SLOW_SECONDS`, and whatever goes to a destination that has not answered lately, counts against the slow one.
The last part of each share is kept for destinations that answer now, and for priority `high`: those that hang, or of
which nothing is known, can never take it.
"""

from typing import Final, Self

import msgspec

from tidings.settings import Settings

SLOW_SECONDS: Final = 1.0
"""A delivery that has waited for longer is slow."""
KEPT_OF_FAST: Final = 8
KEPT_OF_SLOW: Final = 4
"""One in so many is kept for destinations that answer, and for `high`."""
HELD_BY_SLOW: Final = 2
"""Of the bytes, slow deliveries hold one in so many at the most."""
HELD_BY_ONE: Final = 4
"""Of the bytes, one destination has one in so many in flight at the most, or one message."""
IDLE_FILES: Final = 4
"""Of the files that the process may open, one in so many is for idle connections."""
OTHER_FILES: Final = 64
"""Files for the stores, the log and the metrics."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer may hold at the most."""

    in_flight: int
    slow: int
    """Deliveries beside `in_flight` that have waited for long, or go to a destination that may hang."""
    per_destination: int
    held_bytes: int
    """Of contents, in line and in flight."""

    @classmethod
    def of(cls, settings: Settings, *, files: int) -> Self:
        """Those of the settings, with fewer slow deliveries where the process may open few files."""
        free = files - files // IDLE_FILES - OTHER_FILES - settings.in_flight
        return cls(
            in_flight=settings.in_flight,
            slow=max(min(settings.in_flight_slow, free), 1),
            per_destination=settings.in_flight_per_destination,
            held_bytes=settings.in_flight_bytes,
        )

    @property
    def destination_bytes(self) -> int:
        return self.held_bytes // HELD_BY_ONE


class Share:
    """One of the two shares: how many deliveries it has in flight, and how many of those are not sure to end soon."""

    __slots__ = ("held_bytes", "in_flight", "limit", "most_bytes", "most_unsure", "small", "unsure")

    def __init__(self, limit: int, *, kept: int, most_bytes: int) -> None:
        self.limit = limit
        self.most_unsure = max(limit - limit // kept, 1)
        self.most_bytes = most_bytes
        self.small = most_bytes // limit
        """A content of so many bytes never waits for larger ones to end: all that may be in flight fit like this."""
        self.in_flight = 0
        self.unsure = 0
        """Those to destinations that have not answered just now."""
        self.held_bytes = 0

    @property
    def full(self) -> bool:
        return self.in_flight >= self.limit

    def takes(self, size: int, *, sure: bool) -> bool:
        """Whether one more may be in flight. One that is larger than all bytes goes by itself."""
        return (
            self.in_flight < self.limit
            and (sure or self.unsure < self.most_unsure)
            and (size <= self.small or not self.held_bytes or self.held_bytes + size <= self.most_bytes)
        )

    def add(self, size: int, *, sure: bool) -> None:
        self.in_flight += 1
        self.held_bytes += size
        self.unsure += not sure

    def remove(self, size: int, *, sure: bool) -> None:
        self.in_flight -= 1
        self.held_bytes -= size
        self.unsure -= not sure


def shares(limits: Limits) -> tuple[Share, Share]:
    """The fast share and the slow one."""
    return (
        Share(limits.in_flight, kept=KEPT_OF_FAST, most_bytes=limits.held_bytes),
        Share(limits.slow, kept=KEPT_OF_SLOW, most_bytes=limits.held_bytes // HELD_BY_SLOW),
    )
