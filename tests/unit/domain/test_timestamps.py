"""tidings/domain/timestamps.py"""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidings.domain.timestamps import MILLISECONDS_FROM, TimestampError, parse_timestamp

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2030-01-01T00:00:00Z",
        "2030-01-01T02:00:00+02:00",
        "2029-12-31 19:00:00.000-05:00",
        1893456000,
        1893456000.0,
        1893456000000,
        "1893456000",
        "1893456000000",
    ],
)
def test_ways_to_write_a_moment(value: str | float) -> None:
    moment = parse_timestamp(value)
    assert moment == NEW_YEAR
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2030-01-01T00:00:00", "offset"),
        ("2030-01-01", "RFC 3339"),
        ("2030-02-30T00:00:00Z", "RFC 3339"),
        ("tomorrow", "RFC 3339"),
        ("", "RFC 3339"),
        ("٢٠٣٠", "RFC 3339"),
        ("9999-12-31T23:59:59-12:00", "range"),
        ("0001-01-01T00:00:00+12:00", "range"),
        (-1, "range"),
        (10**14, "range"),
        (10**400, "range"),
        ("1" * 400, "range"),
        (float("nan"), "range"),
    ],
)
def test_what_is_no_moment_is_refused(value: str | float, reason: str) -> None:
    with pytest.raises(TimestampError, match=reason):
        parse_timestamp(value)


offsets = st.builds(timezone, st.builds(timedelta, minutes=st.integers(-14 * 60, 14 * 60)))


@given(st.datetimes(timezones=offsets))
def test_any_offset_is_the_same_moment(moment: datetime) -> None:
    assume(timedelta(days=1) < moment - FIRST and moment - LAST < -timedelta(days=1))
    assert parse_timestamp(moment.isoformat()) == moment


@given(st.integers(0, MILLISECONDS_FROM - 1))
def test_seconds_and_milliseconds_agree_where_both_are_possible(seconds: int) -> None:
    try:
        by_milliseconds = parse_timestamp(seconds * 1000)
    except TimestampError:
        assert seconds * 1000 >= 10**14
        return
    if seconds * 1000 >= MILLISECONDS_FROM:
        assert by_milliseconds == parse_timestamp(seconds)
