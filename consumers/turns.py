"""Whose turn it is: the order in which destinations are served from a share. In memory only."""

from collections import deque
from typing import Generic, TypeVar

from consumers.capacity import Share
from consumers.destination import Destination

T = TypeVar("T")


class Turns(Generic[T]):
    """Destinations with a line and free concurrency, once each, in the order in which they are served from a share."""

    __slots__ = ("order", "share", "waiting")

    def __init__(self, share: Share) -> None:
        self.share = share
        self.order: deque[Destination[T]] = deque()
        self.waiting: dict[Destination[T], None] = {}
        """Those whose turn had come when the share took none of their kind."""

    def ready(self) -> bool:
        return bool(self.order) and not self.share.full

    def freed(self) -> None:
        """A turn was not used, or something has ended: two that were waiting get theirs again, as both may fit."""
        for _ in range(min(2, len(self.waiting))):
            destination = next(iter(self.waiting))
            del self.waiting[destination]
            self.order.append(destination)

    def changed(self, destination: Destination[T]) -> None:
        """One that may be waiting is of another kind now."""
        if destination in self.waiting:
            del self.waiting[destination]
            self.order.append(destination)
