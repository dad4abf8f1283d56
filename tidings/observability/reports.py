"""What consumers report and others read: how they are, and what they have done in the last hour.

Both live in Redis alone (`tidings/redis/keys.py`) and may be lost at any time, which costs the history and nothing
else. Time there is cut into buckets of 5 s by Redis's own clock, since those of machines differ. Each consumer
overwrites its own entry of a bucket, so that saying the same twice counts once.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from tidings.domain.message import Hold
from tidings.domain.states import HeldReason

BUCKET_SECONDS: Final = 5
HISTORY_BUCKETS: Final = 720
"""An hour."""
BUCKET_LIFE_SECONDS: Final = BUCKET_SECONDS * HISTORY_BUCKETS + 300
"""A little more than the history, so that its oldest bucket is there for a reader that is late."""

SILENT_SECONDS: Final = 5.0
"""A consumer reports every second; one whose last report is older than this has died, or lost Redis."""
REPORT_LIFE_SECONDS: Final = 60.0
"""How long the last report of a silent consumer is still shown."""

BOUNDS: Final = tuple(
    mantissa * 10.0**exponent for exponent in range(-3, 5) for mantissa in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
)
"""Upper ends of the classes of a Histogram, in seconds: from 1 ms to 19 hours, each at most half as long again or so as
the one before, which is how far off a quantile can be."""


HOLDS_SHOWN: Final = 50
"""In the report of what is held."""
BREAKERS_SHOWN: Final = 50
"""Of a consumer, in its report, which is written every second."""
MOST_SERIES: Final = 200
"""Of a consumer in a bucket: what comes for further pairs of channel and queue is counted under OTHERS."""
OTHERS: Final = "*"
"""Stands where a queue's name would; no queue can have it."""


class Histogram(msgspec.Struct, array_like=True):
    """How many values fell into each class of BOUNDS: a few numbers, however much was counted, that show quantiles."""

    counts: dict[int, int] = msgspec.field(default_factory=dict)
    """By the number of the class; one past the last bound is without an end."""

    def add(self, seconds: float) -> None:
        """Counts a value; a negative one, which only clocks that differ bring about, as none at all."""
        number = bisect_left(BOUNDS, seconds)
        self.counts[number] = self.counts.get(number, 0) + 1

    def merge(self, other: "Histogram") -> None:
        """Adds what another one has counted."""
        for number, count in other.counts.items():
            self.counts[number] = self.counts.get(number, 0) + count

    def quantile(self, share: float) -> float | None:
        """The value, in seconds, that this share of all values does not exceed; None where nothing was counted.

        Within a class the values are taken to be spread evenly.
        """
        rank = share * sum(self.counts.values())
        if not rank:
            return None
        below = 0
        for number in sorted(self.counts):
            count = self.counts[number]
            if below + count >= rank:
                lower = BOUNDS[number - 1] if number else 0.0
                upper = BOUNDS[min(number, len(BOUNDS) - 1)]
                return lower + (upper - lower) * (rank - below) / count
            below += count
        return BOUNDS[-1]


class Tally(msgspec.Struct, array_like=True):
    """What became of messages of one channel and queue, in one bucket or over several."""

    sent: int = 0
    """The receivers accepted them."""
    failed: int = 0
    """Attempts that failed, of messages that are tried again."""
    cancelled: int = 0
    """Messages that will not be sent: rejected, exhausted, expired."""
    lateness: Histogram = msgspec.field(default_factory=Histogram)
    """From the due time to the start of the attempt."""
    duration: Histogram = msgspec.field(default_factory=Histogram)
    """From the start of the attempt to its outcome."""

    def merge(self, other: "Tally") -> None:
        """Adds another one."""
        self.sent += other.sent
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.lateness.merge(other.lateness)
        self.duration.merge(other.duration)


class Series(msgspec.Struct, frozen=True, array_like=True):
    """A tally and what it is of."""

    channel: str
    queue: str
    tally: Tally


class BucketReport(msgspec.Struct, frozen=True, array_like=True):
    """What one consumer did in one bucket, kept as MessagePack."""

    in_flight: int
    """Deliveries in flight when it last reported in this bucket."""
    series: list[Series]


class Depth(msgspec.Struct, frozen=True, array_like=True):
    """What a queue held at one time; of all queues, kept as MessagePack at most once in each bucket."""

    due: int
    """Messages that could be claimed."""
    later: int
    """Messages that wait for their due time."""
    processing: int


class Held(msgspec.Struct, frozen=True):
    """The messages that one reason holds."""

    reason: HeldReason
    messages: Annotated[int, Meta(description="Counted up to 100,000.")]
    seconds: Annotated[float, Meta(description="For how long the one that has waited longest is held.")]


class HeldReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is held, kept as JSON while a producer leads."""

    messages: Sequence[Held] = ()
    holds: Annotated[
        Sequence[Hold], Meta(description="The newest of the endpoints that wait until somebody releases them.")
    ] = ()

    @property
    def gateway(self) -> str | None:
        """What is wrong with the operator's own gateway; None where nothing is."""
        waiting = next((held.messages for held in self.messages if held.reason is HeldReason.GATEWAY), 0)
        hold = next((hold for hold in self.holds if hold.reason is HeldReason.GATEWAY), None)
        if hold is not None:
            return f"held until somebody releases it: `tidings holds release {hold.id}`; {waiting:,} messages wait"
        return f"held, {waiting:,} messages wait: its address, key or account is wrong" if waiting else None


def held_report(value: bytes | None) -> HeldReport | None:
    """What Redis has under `keys.HELD`; None where nothing is there, or another version's."""
    try:
        return None if value is None else msgspec.json.decode(value, type=HeldReport)
    except msgspec.MsgspecError:
        return None


class BreakerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A destination, or one user's endpoint, to which a consumer delivers nothing at present, or one probe."""

    destination: Annotated[
        str, Meta(description="The channel and, after a space, the channel's own word for the receiver.")
    ]
    user_id: Annotated[
        UUID | None, Meta(description="Whose messages it concerns, if `destination` is one user's endpoint.")
    ] = None
    state: Annotated[str, Meta(description="`open` or `half-open`.")]
    seconds: Annotated[float, Meta(description="Until it is tried again.")]


class RateReport(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint whose receiver answers 429, or whose owner has set a limit: a consumer sends it so many messages."""

    destination: Annotated[
        str, Meta(description="The channel and, after a space, the channel's own word for the receiver.")
    ]
    user_id: Annotated[UUID | None, Meta(description="Whose messages it concerns; null: everybody's.")] = None
    rate: Annotated[float, Meta(description="Messages a second, from this consumer.")]


class ConsumerReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a consumer is, written once a second and kept as JSON."""

    name: str
    host: str
    version: str
    started_at: datetime
    reported_at: datetime
    """By Redis's clock."""
    in_flight: int
    """Deliveries begun and not ended."""
    waiting: int
    """Messages that it has taken in and that wait for room in flight."""
    in_flight_limit: int = msgspec.field(name="places")
    """Deliveries that may be in flight at once."""
    open_batches: int
    """Batches whose leases it renews."""
    outcomes_waiting: int
    """Outcomes that are not on disk yet."""
    accepting: bool
    """Whether it takes batches in."""
    stopping: bool
    postgres_away: bool
    """Whether Postgres did not answer it the last time."""
    clock_ahead: float = 0.0
    """Seconds by which its machine's clock is ahead of Postgres's."""
    breakers: tuple[BreakerReport, ...] = ()
    """Those that are not closed, up to BREAKERS_SHOWN."""
    rates: tuple[RateReport, ...] = ()
    """Of endpoints that are limited by their receivers, up to BREAKERS_SHOWN."""


def bucket_of(time: float) -> int:
    """The number of the bucket of a Unix time."""
    return int(time // BUCKET_SECONDS)
