"""What a reader wants to know of a day: who was how late, how much waited, and when it was over."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from benchmarks.simulation.books import Backlog
from benchmarks.simulation.day import CAUGHT_UP_SECONDS, Day, Plan
from benchmarks.simulation.traffic import HOUR, MINUTE, Message

NOON: Final = 12 * HOUR


class Whose(StrEnum):
    """Messages by what the loss of a cell meant to them."""

    HELD_UP = "in the lost cell"
    """And due before it had caught up."""
    TAKEN_OVER = "of its users, taken over"
    """Handed in to another cell."""
    BESIDE = "of the other cells' users"
    """Due until the lost cell had caught up."""
    REST = "of the rest of the day"


class Lateness(msgspec.Struct, frozen=True):
    """Seconds."""

    messages: int
    median: float
    p99: float
    longest: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Of one day; counts are messages, not simulated ones."""

    plan: Plan
    handed_in: int
    ends: dict[str, int]
    tries: int
    sent_back: int
    breakers_opened: int
    lateness: dict[tuple[str, str], Lateness]
    """By kind and `Whose`; the kind `*` is all kinds but those that are due all at once."""
    backlogs: list[Backlog]
    lost: str | None
    caught_up_at: float | None
    others_caught_up_at: float | None
    """When nothing was overdue in the other cells any more, or in all of them on a day without a loss."""

    def most_waiting(self, *, lost: bool) -> int:
        """The most that waited in the cell that was lost, or in all the others together, from noon on."""
        moments = sorted({backlog.at for backlog in self.backlogs if backlog.at >= NOON})
        return max(self.waiting(at)[0 if lost else 1] for at in moments)

    def waiting(self, at: float) -> tuple[int, int]:
        """How many waited at a minute in the cell that was lost, and in the others."""
        there = [backlog for backlog in self.backlogs if backlog.at == at]
        lost = sum(backlog.messages for backlog in there if backlog.cell == self.lost)
        return lost, sum(backlog.messages for backlog in there) - lost


def summarize(day: Day) -> Summary:
    books, plan = day.books, day.plan
    return Summary(
        plan=plan,
        handed_in=books.handed_in * plan.weight,
        ends={name: count * plan.weight for name, count in sorted(books.ends.items())},
        tries=books.tries * plan.weight,
        sent_back=books.sent_back * plan.weight,
        breakers_opened=books.breakers_opened,
        lateness=_lateness(day),
        backlogs=books.backlogs,
        lost=day.lost,
        caught_up_at=day.caught_up_at,
        others_caught_up_at=_others_caught_up_at(day),
    )


def _lateness(day: Day) -> dict[tuple[str, str], Lateness]:
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for sent in day.books.sent:
        whose = _whose(sent.message, day)
        values[sent.message.kind.name, whose].append(sent.lateness)
        if not sent.message.kind.hours:
            values["*", whose].append(sent.lateness)
    return {key: _distribution(each, day.plan.weight) for key, each in values.items()}


def _whose(message: Message, day: Day) -> Whose:
    lost_at, until = day.plan.lost_at, day.caught_up_at
    if lost_at is None or until is None or message.wanted_at >= until:
        return Whose.REST
    if message.held_up:
        return Whose.HELD_UP
    if message.wanted_at < lost_at:
        return Whose.REST
    return Whose.TAKEN_OVER if day.routing.home(message.user) == day.lost else Whose.BESIDE


def _distribution(values: Iterable[float], weight: int) -> Lateness:
    ordered = sorted(values)
    return Lateness(
        messages=len(ordered) * weight,
        median=percentile(ordered, 0.5),
        p99=percentile(ordered, 0.99),
        longest=ordered[-1],
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at most a share of `1 - share` is above."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _others_caught_up_at(day: Day) -> float | None:
    behind: dict[float, float] = defaultdict(float)
    for backlog in day.books.backlogs:
        if backlog.at >= NOON + MINUTE and backlog.cell != day.lost:
            behind[backlog.at] = max(behind[backlog.at], backlog.behind)
    return next((at for at, seconds in behind.items() if seconds <= CAUGHT_UP_SECONDS), None)
