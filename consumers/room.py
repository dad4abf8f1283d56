"""Which lines are too long when there is no room for more: decisions only, nothing is kept here.

A line of a destination that is not known to work goes back whole. Of a stalled one a fair part stays, and of one that
is only slow what it can take in `LONGEST_WAIT` at its rate.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar

from consumers.capacity import Limits
from consumers.destination import LONGEST_WAIT, Destination

PATIENCE_SECONDS: Final = 1.0
"""How long a line has been long before it is judged by its rate."""
PATIENCE_FACTOR_OF_ONE: Final = 3
"""So many times as long where there is no other destination."""

T = TypeVar("T")


class Cut(NamedTuple):
    """How much of a line may stay."""

    messages: int
    held_bytes: int


NOTHING: Final = Cut(0, 0)


def cuts(destinations: Iterable[Destination[T]], limits: Limits, now: float) -> list[tuple[Destination[T], Cut]]:
    """The lines to cut, where there is no room for more messages."""
    busy = [destination for destination in destinations if not destination.idle]
    lines = [destination for destination in busy if destination.line]
    if len(busy) > 1:
        stalled = [destination for destination in lines if destination.stalled(now)]
        if stalled:
            # Half of the room is free then, whatever they hold.
            part = 2 * len(stalled)
            keep = Cut(min(limits.in_flight // part, limits.per_destination), limits.held_bytes // part)
            return [(each, NOTHING if each.unproven() else keep) for each in stalled]
    patience = PATIENCE_SECONDS if len(busy) > 1 else PATIENCE_SECONDS * PATIENCE_FACTOR_OF_ONE
    slow = []
    for destination in lines:
        rate = destination.observed_rate(now, patience=patience)
        if rate is not None and destination.in_flight >= destination.concurrency:
            worth = max(int(rate * LONGEST_WAIT), limits.per_destination)
            if worth < len(destination.line):
                slow.append((destination, Cut(worth, limits.held_bytes)))
    return slow


def length(destination: Destination[T], keep: Cut) -> int:
    """How many messages of its line a destination keeps."""
    held, kept = 0, 0
    for entry in destination.line:
        held += entry.size
        if kept == keep.messages or (held > keep.held_bytes and entry.size):
            break
        kept += 1
    return kept
