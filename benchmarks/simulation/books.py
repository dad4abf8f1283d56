"""The books of a day: what was handed in, how each message ended, how late it was, and how much waited meanwhile."""

from collections import Counter

import msgspec

from benchmarks.simulation.traffic import Message
from tidings.domain.message import Outcome
from tidings.domain.states import Status


class BooksError(Exception):
    """Something ended twice, or never began."""


class Sent(msgspec.Struct, frozen=True):
    """A message that was sent."""

    message: Message
    lateness: float
    """Seconds from its due time to the answer that took it."""


class Backlog(msgspec.Struct, frozen=True):
    """What was due and not yet claimed in a cell at a moment."""

    at: float
    cell: str
    messages: int
    behind: float
    """For how many seconds the one that was due for the longest had been waiting."""


class Books:
    """Counts simulated messages; `weight` makes messages of them."""

    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.handed_in = 0
        self.ends: Counter[str] = Counter()
        """How many ended how: `sent`, or why they were cancelled."""
        self.tries = 0
        self.duplicates = 0
        """Taken by a receiver once more."""
        self.sent_back = 0
        """Found no room at their destination, and came again."""
        self.breakers_opened = 0
        self.sent: list[Sent] = []
        self.backlogs: list[Backlog] = []
        self._open: set[int] = set()

    @property
    def everything_ended(self) -> bool:
        return not self._open

    def begin(self, message: Message) -> None:
        self.handed_in += 1
        self._open.add(message.number)

    def end(self, message: Message, outcome: Outcome, at: float) -> None:
        """The message is sent or cancelled. Raises BooksError where it was already."""
        if message.number not in self._open:
            raise BooksError(f"message {message.number} ended twice")
        self._open.discard(message.number)
        if outcome.status is Status.SENT:
            self.ends["sent"] += 1
            self.sent.append(Sent(message, at - message.wanted_at))
        else:
            assert outcome.cancel_reason is not None
            self.ends[outcome.cancel_reason.value] += 1

    def look(self, at: float, cell: str, *, waiting: int, behind: float) -> None:
        """Notes how many simulated messages wait in a cell, and for how long."""
        self.backlogs.append(Backlog(at, cell, waiting * self.weight, behind))
