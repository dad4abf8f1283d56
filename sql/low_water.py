"""Who waits, from where on, and whose turn it is: what a producer remembers between its claims.

A turn is one share of a claim lane: the messages of one user (tidings/domain/turns.py) in one queue at one priority.
For each turn in which something waits there is a mark, the place in the order of delivery before which nothing waits
any more. An index keeps the entry of a message that was claimed until the row's old version may be cleaned up, and
while some transaction stays open (a backup, a forgotten session) that is never. A claim that begins at the bottom of
the index then walks over everything that was delivered since; one that begins at the mark does not.

What is remembered is a guess that saves work. What it lacks is found all the same: Postgres notifies of a message that
comes in, and a poll of the whole index, at short intervals, takes at most a twentieth of the time.

Turns: those that are not known to have much go first, each with an equal part of the room. What they leave is for the
long ones, which are all served in every claim, and the one that has had least of late gets the rest. So a flood costs
the others nothing, and a claim is full all the same. A message whose bytes fill a batch before a hundred others would
counts for as many of them; how many, the last claim of its turn tells.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from tidings.domain.clock import CLOCK

ClaimLane: TypeAlias = tuple[int, str]
"""A priority and a queue."""

Turn: TypeAlias = tuple[int, str, int]
"""A priority, a queue, and a share of what waits there; below 0 for what is in quarantine."""

Mark: TypeAlias = tuple[datetime, UUID]
"""The due time and the id of a message: messages that are due at the same moment go in the order of their ids."""

FIRST: Final = UUID(int=0)
POLL_SECONDS: Final = 1.0
"""How long what is remembered is trusted at least, before another poll."""
POLL_SHARE: Final = 20
QUARANTINE_SECONDS: Final = 0.05
"""Until the next claim of what is in quarantine, where every consumer had one."""
_ROUNDING: Final = timedelta(milliseconds=1)
"""A NOTIFY carries times as decimal seconds."""
_EARLY_SECONDS: Final = 0.002
"""The clocks are compared over a connection; the claim itself goes by Postgres's."""


class Asked(NamedTuple):
    """What a claim may take of a turn."""

    turn: Turn
    mark: Mark
    quota: int


class Waiting(NamedTuple):
    """The first message of a turn, as a poll found it."""

    turn: Turn
    mark: Mark
    claimable_at: float


class Taken(NamedTuple):
    """What a claim took of a turn."""

    messages: int
    room: float
    """In batches: one for each message, or more, where their bytes fill a batch before it has all its messages."""


class LowWater:
    """The turns of one producer; times are Postgres's, those in seconds are Unix times."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: dict[Turn, Mark] = {}
        self._due: dict[Turn, float] = {}
        """When something of a turn can be claimed, at the earliest."""
        self._taken: dict[Turn, float] = {}
        """The room that the turns have had since they last had nothing left: the long ones."""
        self._weights: dict[Turn, float] = {}
        """Room for a message of a turn, where that is more than one."""
        self._notified: dict[Turn, Mark] = {}
        """The lowest notified of each turn since the last claim or poll began."""
        self._notified_of_many = False
        self._served: frozenset[str] | None = None
        self._ahead = CLOCK.seconds() - clock()
        """Postgres's clock before ours."""
        self._polled = -float("inf")
        self._poll_took = 0.0
        self._trusted = False
        self._forgotten = False
        """Whether `forget` came after the last claim or poll had begun."""
        self.more = False
        """Whether the last claim left something that is due."""

    def is_trusted(self) -> bool:
        """Whether a claim may go by what is remembered; otherwise it is time for another poll."""
        return self._trusted and self._clock() < self._poll_again_at()

    def forget(self) -> None:
        """The next claim polls first, all queues."""
        self._trusted = False
        self._forgotten = True
        self._served = None

    def serve(self, queues: frozenset[str]) -> None:
        """Only what waits in these queues can be claimed."""
        self._served = queues

    def notified(self, seconds: float, due: float, turns: Sequence[Turn] | None) -> None:
        """Messages wait in these turns, or in many; the first is due in so many seconds, at that Unix time."""
        self._ahead = max(self._ahead, due - seconds - self._clock())
        if turns is None:
            self._notified_of_many = True
            return
        low = (datetime.fromtimestamp(due, UTC) - _ROUNDING, FIRST)
        for turn in turns:
            self._notified[turn] = min(low, self._notified.get(turn, low))
            self._lower(turn, low)

    def queues(self) -> set[str]:
        """Those in which something can be claimed now, as far as is known."""
        until = self._now() + _EARLY_SECONDS
        return {turn[1] for turn, at in self._due.items() if at <= until}

    def seconds(self) -> float | None:
        """Until something can be claimed, as far as is known; 0 or less: now. None: nothing waits."""
        due = [at for (_, queue, _), at in self._due.items() if self._served is None or queue in self._served]
        seconds = min(due) - self._now() if due else None
        if self._notified_of_many:
            again = self._poll_again_at() - self._clock()
            seconds = again if seconds is None else min(seconds, again)
        return seconds

    def begin(self) -> float:
        """A claim or a poll begins. Returns when."""
        self._notified = {}
        self._forgotten = False
        return self._clock()

    def polled(self, began: float, found: Sequence[Waiting], *, seen_at: float, queues: Sequence[str] | None) -> None:
        """A poll has found this, in these queues or in all that are on."""
        now = self._clock()
        self._ahead = seen_at - now
        gone = [turn for turn in self._marks if queues is None or turn[1] in queues]
        for turn in gone:
            del self._marks[turn], self._due[turn]
        for turn, mark, claimable_at in found:
            self._marks[turn] = mark
            self._due[turn] = claimable_at
        if queues is None:
            self._polled, self._poll_took, self._notified_of_many = now, now - began, False
            self._trusted = not self._forgotten
            self._taken = {turn: room for turn, room in self._taken.items() if turn in self._marks}
            self._weights = {turn: weight for turn, weight in self._weights.items() if turn in self._marks}
        for turn, low in self._notified.items():
            self._lower(turn, low)

    def choose(self, claim_lanes: Sequence[ClaimLane], room: int) -> list[Asked]:
        """What a claim goes through, in this order: the claim lanes as they stand, those of a priority by turns."""
        self.more = False
        until = self._now() + _EARLY_SECONDS
        due: dict[ClaimLane, list[Turn]] = {}
        for turn, at in self._due.items():
            if at <= until:
                due.setdefault(turn[:2], []).append(turn)
        asked: list[Asked] = []
        for _, of_priority in groupby(claim_lanes, itemgetter(0)):
            by_queue = [due[claim_lane] for claim_lane in of_priority if claim_lane in due]
            quotas = {
                turn: max(room // (len(by_queue) * len(turns)), 1)
                for turns in by_queue
                # Who has had least, where there are more than there is room for.
                for turn in sorted(turns, key=self._had)[:room]
            }
            order = [turn for turn in quotas if turn not in self._taken]
            order += sorted((turn for turn in quotas if turn in self._taken), key=self._had, reverse=True)
            if order:
                quotas[order[-1]] = room
            asked += [
                Asked(turn, self._marks[turn], max(int(quotas[turn] / self._weights.get(turn, 1.0)), 1))
                for turn in order
            ]
        return asked

    def claimed(self, asked: Sequence[Asked], taken: Sequence[Taken], reached: Sequence[Mark | None]) -> None:
        """A claim has taken this of each turn: all before `reached`; None: nothing is left."""
        for (turn, _, _), (messages, room), mark in zip(asked, taken, reached, strict=True):
            if mark is None:
                self._drop(turn)
            else:
                self._marks[turn] = mark
                self._due[turn] = mark[0].timestamp()
            if turn[2] < 0:
                if mark is not None:
                    self._due[turn] = max(self._due[turn], self._now() + QUARANTINE_SECONDS)
            elif mark is None or self._due[turn] > self._now():
                self._taken.pop(turn, None)
            else:
                self.more = True
                if messages:
                    self._taken[turn] = self._had(turn) + room
                    self._weights[turn] = room / messages
            if turn in self._notified:
                self._lower(turn, self._notified[turn])

    def _had(self, turn: Turn) -> float:
        return self._taken.get(turn, 0.0)

    def _lower(self, turn: Turn, low: Mark) -> None:
        mark = min(low, self._marks.get(turn, low))
        self._marks[turn] = mark
        self._due[turn] = min(low[0].timestamp(), self._due.get(turn, float("inf")))

    def _drop(self, turn: Turn) -> None:
        self._marks.pop(turn, None)
        self._due.pop(turn, None)
        self._weights.pop(turn, None)

    def _now(self) -> float:
        return self._clock() + self._ahead

    def _poll_again_at(self) -> float:
        least = 0.0 if self._notified_of_many else POLL_SECONDS
        return self._polled + max(least, POLL_SHARE * self._poll_took)
