"""What the overview answers: how much there is to do, how fast it is done, and by whom. Times are seconds.

What is unknown because a store is away is null; `checks` says which one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.domain.message import NextTick
from tidings.observability.reports import BreakerReport, HeldReport, RateReport


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What is being done: messages per second over the last 10 s, and how long things took in the last minute."""

    sent: float
    failed: Annotated[float, Meta(description="Attempts that failed, of messages that are tried again.")]
    cancelled: Annotated[float, Meta(description="Messages not delivered: rejected, exhausted, expired.")]
    lateness_p50: Annotated[
        float | None, Meta(description="From the due time to the start of the attempt; null where none was made.")
    ]
    lateness_p99: float | None
    duration_p50: Annotated[float | None, Meta(description="From the start of the attempt to the receiver's answer.")]
    duration_p99: float | None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """All queues and channels together."""

    waiting: Annotated[int | None, Meta(description="Messages that wait, for their due time or for room.")]
    waiting_capped: Annotated[
        bool, Meta(description="Whether there are more than `waiting` says, because counting ended there.")
    ]
    due: Annotated[int | None, Meta(description="Those of them that could go now.")]
    processing: Annotated[int | None, Meta(description="Messages in batches, on their way.")]
    in_flight: Annotated[int | None, Meta(description="Deliveries begun and not ended, in all consumers.")]
    flow: Flow | None


class ChannelOverview(msgspec.Struct, frozen=True, kw_only=True):
    """One channel in which something happened in the last minute."""

    name: str
    flow: Flow


class QueueOverview(msgspec.Struct, frozen=True, kw_only=True):
    """One queue: its switch, its pace, what it holds."""

    name: str
    active: bool
    interval_seconds: float
    batch_size: int | None
    last_claimed_at: datetime | None
    next_tick_at: NextTick
    waiting: int | None
    waiting_capped: bool
    due: int | None
    processing: int | None
    flow: Flow | None


class Health(StrEnum):
    """How a consumer is."""

    WELL = "well"
    FULL = "full"
    """It has no room for more at present."""
    POSTGRES_AWAY = "postgres away"
    STOPPING = "stopping"
    SILENT = "silent"
    """It has not reported for 5 s; after a minute it is left out."""


class ConsumerOverview(msgspec.Struct, frozen=True, kw_only=True):
    """One consumer, as it last reported."""

    name: str
    health: Health
    host: str
    version: str
    started_at: datetime
    reported_at: datetime
    in_flight: int
    in_flight_limit: Annotated[int, Meta(description="Deliveries that may be in flight at once.")] = msgspec.field(
        name="places"
    )
    waiting: Annotated[int, Meta(description="Messages that it has taken in and that wait for a place.")]
    open_batches: int
    outcomes_waiting: Annotated[int, Meta(description="Outcomes that are not on disk yet.")]
    accepting: bool
    breakers: Annotated[
        Sequence[BreakerReport], Meta(description="Destinations to which it delivers nothing at present.")
    ]
    rates: Annotated[Sequence[RateReport], Meta(description="Receivers that answer 429, and the rate they are sent.")]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Of one channel or queue, for each step of the history."""

    sent: list[int]
    failed: list[int]
    cancelled: list[int]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The past in equal steps, as columns: the n-th entry of each belongs to the n-th of `at`."""

    step_seconds: int
    at: Annotated[Sequence[int], Meta(description="When each step began, as Unix time.")]
    sent: Sequence[int]
    failed: Sequence[int]
    cancelled: Sequence[int]
    in_flight: Sequence[int]
    waiting: Annotated[Sequence[int | None], Meta(description="Counted by the producer; null where none was there.")]
    due: Sequence[int | None]
    lateness_p50: Sequence[float | None]
    lateness_p99: Sequence[float | None]
    duration_p50: Sequence[float | None]
    duration_p99: Sequence[float | None]
    channels: Annotated[Mapping[str, Counts], Meta(description="The busiest of them.")]
    queues: Annotated[Mapping[str, Counts], Meta(description="The busiest of them.")]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the whole deployment, and its last minute."""

    at: datetime
    version: Annotated[str, Meta(description="Of the API's process; each consumer tells its own.")]
    totals: Totals
    channels: Sequence[ChannelOverview]
    queues: Annotated[Sequence[QueueOverview], Meta(description="At most 100, those that hold most.")]
    queues_left_out: Annotated[int, Meta(description="How many others there are; `totals` counts them in.")]
    consumers: Sequence[ConsumerOverview]
    held: Annotated[
        HeldReport | None, Meta(description="Messages that wait for something else; null where nobody counts them.")
    ]
    checks: Annotated[
        Mapping[str, str],
        Meta(description="Postgres, its schema, Redis, the producer, the consumers, claims: `ok`, or what is amiss."),
    ]
    history: Annotated[
        History,
        Meta(
            description=(
                "The last hour. In a stream, whole in the first event; the others bring its last steps, which "
                "replace those of the same `at`."
            )
        ),
    ]
