"""Counting outcomes in buckets, and what is given to be reported."""

from typing import Any

import msgspec
import pytest

from consumers import outcomes
from consumers.figures import KEPT, FigureBook
from tests.clock import Clock
from tests.factories import new_delivery
from tidings.channels.base import Accepted, Rejected, Result, Retry
from tidings.domain.message import Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.timestamps import utc_now
from tidings.observability.reports import BUCKET_SECONDS, MOST_SERIES, OTHERS, Figures, Tally


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0 * BUCKET_SECONDS)


@pytest.fixture
def book(clock: Clock) -> FigureBook:
    return FigureBook(clock)


def outcome(result: Result, **changes: Any) -> Outcome:
    return outcomes.conclude(
        new_delivery(**changes),
        result,
        policy=RetryPolicy(delays=(1.0,), jitter=0),
        consumer="c",
        started_at=utc_now(),
        duration=0.25,
    )


def told(entry: bytes) -> dict[tuple[str, str], Tally]:
    figures = msgspec.msgpack.decode(entry, type=Figures)
    return {(series.channel, series.queue): series.tally for series in figures.series}


def test_outcomes_are_counted_by_channel_and_queue(book: FigureBook) -> None:
    book.add([outcome(Accepted()), outcome(Accepted()), outcome(Retry(error="503"), queue="night")])
    book.add([outcome(Rejected(error="404")), outcome(Retry(error="503"), max_tries=1)])
    [entry] = book.take(in_flight=7).values()
    tallies = told(entry)
    default, night = tallies["echo", "default"], tallies["echo", "night"]
    assert (default.sent, default.failed, default.cancelled) == (2, 0, 2)
    assert (night.sent, night.failed, night.cancelled) == (0, 1, 0)
    assert default.duration.quantile(0.5) == pytest.approx(0.25, rel=0.3)
    assert sum(default.lateness.counts.values()) == 4
    assert msgspec.msgpack.decode(entry, type=Figures).in_flight == 7


def test_messages_given_back_untried_are_nothing_done(book: FigureBook) -> None:
    book.add([outcomes.returned(new_delivery())])
    assert book.take(in_flight=0) == {}


def test_who_expired_untried_is_cancelled_and_has_no_lateness(book: FigureBook) -> None:
    book.add([outcomes.expired(new_delivery())])
    [tally] = told(book.take(in_flight=0)[1000]).values()
    assert tally == Tally(cancelled=1)


def test_a_bucket_is_told_whole_each_time_and_only_when_it_changed(book: FigureBook, clock: Clock) -> None:
    book.add([outcome(Accepted())])
    assert told(book.take(in_flight=0)[1000])["echo", "default"].sent == 1
    assert book.take(in_flight=0) == {}
    book.add([outcome(Accepted())])
    assert told(book.take(in_flight=0)[1000])["echo", "default"].sent == 2
    clock.now += BUCKET_SECONDS
    book.add([outcome(Accepted())])
    assert {bucket: told(entry)["echo", "default"].sent for bucket, entry in book.take(in_flight=0).items()} == {
        1001: 1
    }


def test_what_was_not_taken_is_told_again_for_a_while(book: FigureBook, clock: Clock) -> None:
    for _ in range(KEPT + 2):
        book.add([outcome(Accepted())])
        book.give_back(book.take(in_flight=0))
        clock.now += BUCKET_SECONDS
    assert sorted(book.take(in_flight=0)) == [1002, 1003, 1004]


def test_deliveries_in_flight_are_told_while_nothing_ends(book: FigureBook) -> None:
    [entry] = book.take(in_flight=3).values()
    assert msgspec.msgpack.decode(entry, type=Figures) == Figures(3, [])


def test_the_number_of_series_is_bounded(book: FigureBook) -> None:
    book.add([outcome(Accepted(), queue=f"q{number}") for number in range(MOST_SERIES + 50)])
    tallies = told(book.take(in_flight=0)[1000])
    assert len(tallies) == MOST_SERIES + 1
    assert tallies["echo", OTHERS].sent == 50
