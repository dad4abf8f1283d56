"""Counting outcomes in buckets, and what is given to be reported."""

from typing import Any

import msgspec
import pytest

from consumers import outcomes
from consumers.report import BUCKETS_KEPT, OutcomeCounts
from tests.factories import new_delivery
from tidings.channels.base import Accepted, Rejected, Result, Retry
from tidings.domain.message import Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.timestamps import utc_now
from tidings.observability.reports import BUCKET_SECONDS, MOST_SERIES, OTHERS, BucketReport, Tally


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0 * BUCKET_SECONDS

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts(clock: Clock) -> OutcomeCounts:
    return OutcomeCounts(clock)


def outcome(result: Result, **changes: Any) -> Outcome:
    return outcomes.conclude(
        new_delivery(**changes),
        result,
        policy=RetryPolicy(delays=(1.0,), jitter=0),
        consumer="c",
        started_at=utc_now(),
        duration=0.25,
    )


def tallies_of(entry: bytes) -> dict[tuple[str, str], Tally]:
    report = msgspec.msgpack.decode(entry, type=BucketReport)
    return {(series.channel, series.queue): series.tally for series in report.series}


def test_outcomes_are_counted_by_channel_and_queue(counts: OutcomeCounts) -> None:
    counts.add([outcome(Accepted()), outcome(Accepted()), outcome(Retry(error="503"), queue="night")])
    counts.add([outcome(Rejected(error="404")), outcome(Retry(error="503"), max_tries=1)])
    [entry] = counts.take(in_flight=7).values()
    tallies = tallies_of(entry)
    default, night = tallies["echo", "default"], tallies["echo", "night"]
    assert (default.sent, default.failed, default.cancelled) == (2, 0, 2)
    assert (night.sent, night.failed, night.cancelled) == (0, 1, 0)
    assert default.duration.quantile(0.5) == pytest.approx(0.25, rel=0.3)
    assert sum(default.lateness.counts.values()) == 4
    assert msgspec.msgpack.decode(entry, type=BucketReport).in_flight == 7


def test_messages_given_back_untried_are_nothing_done(counts: OutcomeCounts) -> None:
    counts.add([outcomes.returned(new_delivery())])
    assert counts.take(in_flight=0) == {}


def test_who_expired_untried_is_cancelled_and_has_no_lateness(counts: OutcomeCounts) -> None:
    counts.add([outcomes.expired(new_delivery())])
    [tally] = tallies_of(counts.take(in_flight=0)[1000]).values()
    assert tally == Tally(cancelled=1)


def test_a_bucket_is_reported_whole_each_time_and_only_when_it_changed(counts: OutcomeCounts, clock: Clock) -> None:
    counts.add([outcome(Accepted())])
    assert tallies_of(counts.take(in_flight=0)[1000])["echo", "default"].sent == 1
    assert counts.take(in_flight=0) == {}
    counts.add([outcome(Accepted())])
    assert tallies_of(counts.take(in_flight=0)[1000])["echo", "default"].sent == 2
    clock.now += BUCKET_SECONDS
    counts.add([outcome(Accepted())])
    assert {
        bucket: tallies_of(entry)["echo", "default"].sent for bucket, entry in counts.take(in_flight=0).items()
    } == {1001: 1}


def test_what_was_not_taken_is_reported_again_for_a_while(counts: OutcomeCounts, clock: Clock) -> None:
    for _ in range(BUCKETS_KEPT + 2):
        counts.add([outcome(Accepted())])
        counts.give_back(counts.take(in_flight=0))
        clock.now += BUCKET_SECONDS
    assert sorted(counts.take(in_flight=0)) == [1002, 1003, 1004]


def test_deliveries_in_flight_are_reported_while_nothing_ends(counts: OutcomeCounts) -> None:
    [entry] = counts.take(in_flight=3).values()
    assert msgspec.msgpack.decode(entry, type=BucketReport) == BucketReport(3, [])


def test_the_number_of_series_is_bounded(counts: OutcomeCounts) -> None:
    counts.add([outcome(Accepted(), queue=f"q{number}") for number in range(MOST_SERIES + 50)])
    tallies = tallies_of(counts.take(in_flight=0)[1000])
    assert len(tallies) == MOST_SERIES + 1
    assert tallies["echo", OTHERS].sent == 50
