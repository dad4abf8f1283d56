"""The lines of all destinations: what is put in, parked and taken out, and how many wait where something may hang.

In memory only. Messages for destinations that are not known to work, and those that are parked until their endpoint
answers, are counted apart from the others, so that they take no room from these.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from consumers.destination import Destination, Endpoint, Entry

T = TypeVar("T")


class Lines(Generic[T]):
    """`urgent` is called with a destination that gets a message of priority `high`; beyond `long` a line is long."""

    def __init__(self, urgent: Callable[[Destination[T]], None], *, long: int) -> None:
        self._urgent = urgent
        self._long = long
        self.apart = 0
        """Messages in line for destinations that are not known to work, and those that are parked."""

    def put(self, entry: Entry[T], now: float) -> None:
        """Puts an entry in its destination's line, before all of less priority."""
        destination = entry.endpoint.destination
        if not destination.line and not destination.in_turn:
            destination.moved_at = now
        self.apart += destination.apart
        if entry.high:
            destination.line.insert(destination.high, entry)
            destination.high += 1
            self._urgent(destination)
        else:
            destination.line.append(entry)

    def remove(self, entry: Entry[T]) -> None:
        """Counts an entry that was taken out of its line."""
        destination = entry.endpoint.destination
        self.apart -= destination.apart
        destination.high -= entry.high
        if len(destination.line) <= destination.line_limit // 2:
            destination.line_limit = 0
        if len(destination.line) <= self._long:
            destination.observe_no_longer()

    def park(self, entry: Entry[T]) -> None:
        """Takes the first out of its line until its endpoint has answered."""
        destination = entry.endpoint.destination
        destination.line.popleft()
        self.apart += not destination.apart
        destination.high -= entry.high
        destination.parked[entry.endpoint] = None
        entry.endpoint.parked.append(entry)

    def unpark(self, endpoint: Endpoint[T], now: float, *, whole: bool = False) -> None:
        """Puts what was parked in line again, as much as may start now."""
        while endpoint.parked and (whole or not endpoint.full):
            self.apart -= 1
            self.put(endpoint.parked.popleft(), now)
            if not (endpoint.proven or whole):
                break
        if not endpoint.parked:
            endpoint.destination.parked.pop(endpoint, None)

    def sort(self, destination: Destination[T]) -> None:
        """Counts a line where it belongs by what is known of its destination now."""
        if destination.apart is not destination.unproven():
            destination.apart = not destination.apart
            self.apart += len(destination.line) if destination.apart else -len(destination.line)
