"""Times and durations as people type them, on a clock that is put forward and back."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tidings.cli.times import TimeError, before_now, duration, from_now, time_of

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h30m", 9000), ("1d", 86_400), ("1w", 604_800), ("1.5h", 5400), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "h", "2 h", "-1h", "1h2", "1.2.3h", "1y", "9" * 400 + "w"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(TimeError):
        duration(text)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2030-02-01T09:00:00Z", "2030-02-01T09:00:00"),
        ("2030-02-01T09:00:00+05:30", "2030-02-01T03:30:00"),
        ("1896166800", "2030-02-01T09:00:00"),
        ("2030-02-01 9:00", "2030-02-01T08:00:00"),
        ("2030-07-01T09:00", "2030-07-01T07:00:00"),
        ("2030-02-01 09:00:05", "2030-02-01T08:00:05"),
        ("2030-02-01", "2030-01-31T23:00:00"),
        # It is 13:00 in Berlin.
        ("13:01", "2030-01-31T12:01:00"),
        ("13:00", "2030-02-01T12:00:00"),
        ("9:00:30", "2030-02-01T08:00:30"),
    ],
)
def test_times(text: str, utc: str) -> None:
    found = time_of(text, now=NOW)
    assert found == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert found.utcoffset() == timedelta()


@pytest.mark.parametrize("text", ["", "soon", "25:00", "9:61", "2030-02-30", "2030-02-01T09", "in 5 minutes", "-5"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(TimeError):
        time_of(text, now=NOW)


def test_a_time_that_the_clock_leaves_out() -> None:
    with pytest.raises(TimeError, match="does not exist"):
        time_of("2030-03-31 2:30", now=NOW)


def test_a_time_that_the_clock_shows_twice_is_the_first_of_them() -> None:
    assert time_of("2030-10-27 2:30", now=NOW) == datetime(2030, 10, 27, 0, 30, tzinfo=UTC)


def test_a_duration_counts_from_now_on_or_back() -> None:
    assert from_now("2h", now=NOW) == NOW + timedelta(hours=2)
    assert before_now("2h", now=NOW) == NOW - timedelta(hours=2)
    assert from_now("2030-02-01", now=NOW) == before_now("2030-02-01", now=NOW)
    for shifted in (from_now, before_now):
        with pytest.raises(TimeError):
            shifted("99999999w", now=NOW)
