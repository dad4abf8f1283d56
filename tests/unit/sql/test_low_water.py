"""The low-water mark: what may be skipped, and what must never be."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sql.low_water import BOTTOM, POLL_SECONDS, POLL_SHARE, LowWater, Mark
from tests.clock import Clock

ID = UUID(int=7)
NOON = (datetime(2030, 1, 1, 12, tzinfo=UTC), ID)
CLAIM_LANES = [(0, "default"), (1, "default")]


def after(seconds: float) -> Mark:
    return NOON[0] + timedelta(seconds=seconds), ID


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def low_water(clock: Clock) -> LowWater:
    """Its first look reached noon in the first claim lane, and found nothing in the second."""
    low_water = LowWater(clock)
    assert low_water.begin(CLAIM_LANES) == [BOTTOM, BOTTOM]
    low_water.end(CLAIM_LANES, [NOON, None])
    return low_water


def test_the_next_look_begins_where_the_last_one_ended(low_water: LowWater) -> None:
    assert low_water.begin(CLAIM_LANES) == [NOON, BOTTOM]
    low_water.end(CLAIM_LANES, [after(1), NOON])
    assert low_water.begin(CLAIM_LANES) == [after(1), NOON]


def test_a_look_that_finds_nothing_leaves_the_mark(low_water: LowWater) -> None:
    low_water.begin(CLAIM_LANES)
    low_water.end(CLAIM_LANES, [None, None])
    assert low_water.begin(CLAIM_LANES) == [NOON, BOTTOM]


def test_what_comes_in_below_lowers_the_mark(low_water: LowWater) -> None:
    due, _ = after(-3600)
    low_water.notified(due.timestamp())
    [mark, _] = low_water.begin(CLAIM_LANES)
    assert (due - timedelta(milliseconds=2), ID) < mark <= (due, UUID(int=0))
    assert low_water.marks()[CLAIM_LANES[0]] == mark


def test_what_comes_in_above_does_not(low_water: LowWater) -> None:
    low_water.notified(after(3600)[0].timestamp())
    assert low_water.begin(CLAIM_LANES) == [NOON, BOTTOM]


def test_what_comes_in_below_during_a_look_is_not_passed_over(low_water: LowWater) -> None:
    due, _ = after(-5)
    low_water.begin(CLAIM_LANES)
    low_water.notified(due.timestamp())
    low_water.end(CLAIM_LANES, [after(9), None])
    assert low_water.begin(CLAIM_LANES)[0] <= (due, UUID(int=0))


def test_now_and_then_a_look_starts_from_the_bottom(low_water: LowWater, clock: Clock) -> None:
    clock.now += POLL_SECONDS
    assert low_water.marks() == {}
    assert low_water.begin(CLAIM_LANES) == [BOTTOM, BOTTOM]


def test_looks_from_the_bottom_take_a_twentieth_of_the_time(low_water: LowWater, clock: Clock) -> None:
    low_water.forget()
    low_water.begin(CLAIM_LANES)
    clock.now += 2.0
    low_water.end(CLAIM_LANES, [NOON, None])
    clock.now += 2.0 * POLL_SHARE - 0.1
    assert low_water.marks() == {CLAIM_LANES[0]: NOON}
    clock.now += 0.1
    assert low_water.marks() == {}


def test_a_look_that_failed_is_made_again_from_the_bottom(low_water: LowWater) -> None:
    low_water.forget()
    low_water.begin(CLAIM_LANES)
    assert low_water.begin(CLAIM_LANES) == [BOTTOM, BOTTOM]
