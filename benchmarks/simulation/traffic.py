"""What clients send in a day: kinds of messages, and when they are to go out."""

import bisect
import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from tidings.domain.message import DEFAULT_QUEUE, Delivery, Priority

MIDNIGHT: Final = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

HOURS: Final = (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 10, 9, 9, 9, 9, 10, 10, 9, 8, 7, 6, 4, 3)
"""How busy the hours of the day are."""

USERS: Final = 5_000

_NOBODY: Final = UUID(int=0)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one sort."""

    name: str
    channel: str
    percent: int
    """Of the day's messages."""
    priority: Priority = Priority.NORMAL
    receivers: int = 1
    life: float | None = None
    """Seconds after its due time at which it is worth nothing any more."""
    hours: tuple[int, ...] = ()
    """Due at these, all at once; otherwise over the day as `HOURS` says."""
    ahead: float = 0.0
    """Seconds before its due time that it is handed in; if that was yesterday, at midnight."""


KINDS: Final = (
    Kind(name="codes", channel="sms", percent=10, priority=Priority.HIGH, life=600.0),
    Kind(name="texts", channel="sms", percent=15),
    Kind(name="reminders", channel="sms", percent=10, life=HOUR / 2, ahead=DAY),
    Kind(name="webhooks", channel="webhook", percent=40, receivers=100),
    Kind(name="mails", channel="email", percent=15, receivers=100),
    Kind(name="campaigns", channel="sms", percent=10, priority=Priority.LOW, hours=(9, 12, 18), ahead=2 * HOUR),
)


class Message:
    """One simulated message; its `delivery` is what the row in Postgres says of it."""

    __slots__ = ("accepted", "delivery", "destination", "held_up", "kind", "number", "user", "wanted_at")

    def __init__(self, number: int, kind: Kind, user: int, destination: str, wanted_at: float) -> None:
        self.number = number
        self.kind = kind
        self.user = user
        self.destination = destination
        self.wanted_at = wanted_at
        """When it was to go out, in seconds of the day."""
        self.accepted = 0
        """How often a receiver has taken it."""
        self.held_up = False
        """It was in a cell that was lost."""
        due_at = moment(wanted_at)
        self.delivery = Delivery(
            id=UUID(int=number),
            batch_id=_NOBODY,
            user_id=None,
            queue=DEFAULT_QUEUE,
            channel=kind.channel,
            recipient=destination,
            subject=None,
            content="",
            headers=None,
            tries=0,
            max_tries=5,
            recoveries=0,
            due_at=due_at,
            expires_at=None if kind.life is None else due_at + timedelta(seconds=kind.life),
            created_at=due_at - timedelta(seconds=kind.ahead),
        )


def moment(seconds: float) -> datetime:
    """A second of the day as a time."""
    return MIDNIGHT + timedelta(seconds=seconds)


def second(time: datetime) -> float:
    """The other way round."""
    return (time - MIDNIGHT).total_seconds()


def messages(kind: Kind, count: int, first: int, chance: random.Random) -> Iterator[Message]:
    """`count` messages of a kind in the order of their due times, numbered from `first`."""
    names = [f"{kind.channel} {number}" for number in range(kind.receivers)]
    # The larger receivers get more: the second half as much as the first, the third a third.
    shares = list(itertools.accumulate(1 / (rank + 1) for rank in range(kind.receivers)))
    for number, wanted_at in enumerate(_due_times(kind, count, chance), start=first):
        destination = names[bisect.bisect_left(shares, chance.random() * shares[-1])]
        yield Message(number, kind, chance.randrange(USERS), destination, wanted_at)


def busiest_rate(messages: int) -> float:
    """Messages a second in the busiest hour of a day of so many."""
    steady = sum(kind.percent for kind in KINDS if not kind.hours) / 100
    return messages * steady * max(HOURS) / sum(HOURS) / HOUR


def _due_times(kind: Kind, count: int, chance: random.Random) -> Iterator[float]:
    if kind.hours:
        for number in range(count):
            yield kind.hours[number * len(kind.hours) // count] * HOUR
        return
    until = list(itertools.accumulate(HOURS))
    # One at random in each of `count` equal parts of the day's work: sorted, and exactly as many as there are to be.
    for number in range(count):
        work = (number + chance.random()) / count * until[-1]
        hour = min(bisect.bisect_right(until, work), len(HOURS) - 1)
        yield (hour + 1 - (until[hour] - work) / HOURS[hour]) * HOUR
