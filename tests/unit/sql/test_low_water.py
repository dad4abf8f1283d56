"""What a producer remembers between its claims: what may be skipped, what must never be, and whose turn it is."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sql.low_water import POLL_SECONDS, POLL_SHARE, LowWater, Mark, Taken, Turn, Waiting
from tests.clock import Clock

ID = UUID(int=7)
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
A: Turn = (1, "default", 1)
B: Turn = (1, "default", 2)
QUARANTINED: Turn = (1, "default", -3)
CLAIM_LANES = [(0, "default"), (1, "default")]


def after(seconds: float) -> Mark:
    return NOON + timedelta(seconds=seconds), ID


def first_of(turn: Turn, seconds: float) -> Waiting:
    due_at, message_id = after(seconds)
    return Waiting(turn, (due_at, message_id), due_at.timestamp())


def took(*messages: int) -> list[Taken]:
    return [Taken(count, count) for count in messages]


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def low_water(clock: Clock) -> LowWater:
    """It has polled at noon: A is due for 9 s, B will be in 5."""
    low_water = LowWater(clock)
    poll(low_water, first_of(A, -9), first_of(B, 5))
    return low_water


def poll(low_water: LowWater, *found: Waiting) -> None:
    low_water.polled(low_water.begin(), found, seen_at=NOON.timestamp(), queues=None)


def test_a_claim_goes_through_what_is_due(low_water: LowWater, clock: Clock) -> None:
    assert low_water.seconds() == -9
    assert low_water.choose(CLAIM_LANES, 100) == [(A, after(-9), 100)]
    clock.now += 5
    assert low_water.choose(CLAIM_LANES, 100) == [(A, after(-9), 50), (B, after(5), 100)]
    assert low_water.choose(CLAIM_LANES[:1], 100) == []


def test_the_next_claim_begins_where_the_last_one_ended(low_water: LowWater) -> None:
    asked = low_water.choose(CLAIM_LANES, 100)
    low_water.claimed(asked, took(100), [after(-1)])
    assert low_water.more
    assert low_water.choose(CLAIM_LANES, 100) == [(A, after(-1), 100)]


def test_where_nothing_is_left_no_claim_goes(low_water: LowWater) -> None:
    asked = low_water.choose(CLAIM_LANES, 100)
    low_water.claimed(asked, took(3), [None])
    assert not low_water.more
    assert low_water.seconds() == 5
    assert low_water.choose(CLAIM_LANES, 100) == []


def test_what_comes_in_below_lowers_the_mark(low_water: LowWater) -> None:
    due = after(-3600)[0]
    low_water.notified(-3600, due.timestamp(), [A])
    [(turn, mark, _)] = low_water.choose(CLAIM_LANES, 100)
    assert turn == A
    assert (due - timedelta(milliseconds=2), ID) < mark <= (due, UUID(int=0))


def test_what_comes_in_above_does_not(low_water: LowWater) -> None:
    low_water.notified(3600, after(3600)[0].timestamp(), [A])
    assert low_water.choose(CLAIM_LANES, 100) == [(A, after(-9), 100)]


@pytest.mark.parametrize("reached", [after(9), None])
def test_what_comes_in_during_a_claim_is_not_passed_over(low_water: LowWater, reached: Mark | None) -> None:
    asked = low_water.choose(CLAIM_LANES, 100)
    low_water.begin()
    low_water.notified(-5, after(-5)[0].timestamp(), [A])
    low_water.claimed(asked, took(2), [reached])
    assert low_water.choose(CLAIM_LANES, 100)[0].mark <= after(-5)


def test_what_comes_in_during_a_poll_is_not_forgotten(low_water: LowWater) -> None:
    began = low_water.begin()
    low_water.notified(-5, after(-5)[0].timestamp(), [B])
    low_water.polled(began, [], seen_at=NOON.timestamp(), queues=None)
    assert [asked.turn for asked in low_water.choose(CLAIM_LANES, 100)] == [B]


def test_a_poll_of_some_queues_leaves_the_others(low_water: LowWater) -> None:
    low_water.polled(low_water.begin(), [], seen_at=NOON.timestamp(), queues=["paced"])
    assert low_water.seconds() == -9
    low_water.polled(low_water.begin(), [], seen_at=NOON.timestamp(), queues=["default"])
    assert low_water.seconds() is None


def test_what_waits_in_a_queue_that_is_off_is_not_due(low_water: LowWater) -> None:
    low_water.serve(frozenset({"other"}))
    assert low_water.seconds() is None
    low_water.forget()
    assert low_water.seconds() == -9


def test_what_is_to_be_forgotten_during_a_poll_is_polled_again(low_water: LowWater) -> None:
    began = low_water.begin()
    low_water.forget()
    low_water.polled(began, [], seen_at=NOON.timestamp(), queues=None)
    assert not low_water.is_trusted()


def test_polls_take_a_twentieth_of_the_time(low_water: LowWater, clock: Clock) -> None:
    clock.now += POLL_SECONDS
    assert not low_water.is_trusted()
    began = low_water.begin()
    clock.now += 2.0
    low_water.polled(began, [], seen_at=NOON.timestamp(), queues=None)
    clock.now += 2.0 * POLL_SHARE - 0.1
    assert low_water.is_trusted()
    clock.now += 0.1
    assert not low_water.is_trusted()


def test_many_turns_at_once_need_a_poll_soon(low_water: LowWater, clock: Clock) -> None:
    low_water.claimed(low_water.choose(CLAIM_LANES, 100), took(1), [None])
    began = low_water.begin()
    clock.now += 0.01
    low_water.polled(began, [], seen_at=NOON.timestamp(), queues=None)
    low_water.notified(0, NOON.timestamp(), None)
    assert low_water.is_trusted()
    assert low_water.seconds() == pytest.approx(0.01 * POLL_SHARE)
    clock.now += 0.01 * POLL_SHARE + 0.001
    assert not low_water.is_trusted()


def test_the_short_ones_go_first_and_the_long_one_takes_the_rest(low_water: LowWater) -> None:
    low_water.claimed(low_water.choose(CLAIM_LANES, 100), took(100), [after(-8)])
    poll(low_water, first_of(A, -8), first_of(B, -1))
    assert [(turn, quota) for turn, _, quota in low_water.choose(CLAIM_LANES, 100)] == [(B, 50), (A, 100)]


def test_of_two_long_ones_the_rest_is_for_the_one_that_had_less(low_water: LowWater) -> None:
    poll(low_water, first_of(A, -9), first_of(B, -9))
    asked = low_water.choose(CLAIM_LANES, 100)
    low_water.claimed(asked, took(70, 30), [after(-8), after(-8)])
    assert [turn for turn, _, _ in low_water.choose(CLAIM_LANES, 100)] == [A, B]
    low_water.claimed(asked, took(0, 90), [after(-8), after(-8)])
    assert [turn for turn, _, _ in low_water.choose(CLAIM_LANES, 100)] == [B, A]


def test_what_is_in_quarantine_is_asked_for_again_in_a_moment(low_water: LowWater) -> None:
    poll(low_water, first_of(QUARANTINED, -9))
    asked = low_water.choose(CLAIM_LANES, 100)
    low_water.claimed(asked, took(0), [after(-9)])
    assert not low_water.more
    assert low_water.seconds() == pytest.approx(0.05)


def test_messages_that_fill_a_batch_by_their_bytes_count_for_more(low_water: LowWater) -> None:
    poll(low_water, first_of(A, -9), first_of(B, -9))
    asked = low_water.choose(CLAIM_LANES, 100)
    low_water.claimed(asked, [Taken(4, 80.0), Taken(20, 20.0)], [after(-8), after(-8)])
    # A has had more, and each of its messages takes the room of twenty.
    assert low_water.choose(CLAIM_LANES, 100) == [(A, after(-8), 2), (B, after(-8), 100)]
    poll(low_water, first_of(A, -8))
    assert low_water.choose(CLAIM_LANES, 100) == [(A, after(-8), 5)]
    poll(low_water)
    poll(low_water, first_of(A, -8))
    assert low_water.choose(CLAIM_LANES, 100) == [(A, after(-8), 100)]
