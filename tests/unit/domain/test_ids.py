"""tidings/domain/ids.py"""

import uuid

import pytest

from tests.clock import Clock
from tidings.domain import ids
from tidings.domain.clock import PostgresClock
from tidings.domain.ids import Ids

START = 1_900_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(START)
    monkeypatch.setattr(ids, "CLOCK", PostgresClock(machine=clock))
    return clock


def milliseconds(made: uuid.UUID) -> int:
    return made.int >> 80


def test_an_id_is_a_uuid_of_version_7_and_of_its_time(clock: Clock) -> None:
    made = Ids().new()
    assert (made.version, made.variant, milliseconds(made)) == (7, uuid.RFC_4122, START * 1000)


def test_ids_are_unique_and_in_order_also_within_a_millisecond(clock: Clock) -> None:
    make, made = Ids().new, []
    for number in range(20_000):
        clock.now = START + number // 5000 / 1000
        made.append(make())
    assert sorted(set(made)) == made
    assert {milliseconds(each) for each in made} == {START * 1000 + extra for extra in range(4)}


def test_a_reading_of_the_clock_that_gets_more_exact_keeps_the_order(clock: Clock) -> None:
    make = Ids().new
    first = make()
    clock.now -= 0.3
    assert make() > first


def test_a_clock_that_was_set_back_is_followed(clock: Clock) -> None:
    make = Ids().new
    make()
    clock.now -= 3600
    assert milliseconds(make()) == (START - 3600) * 1000


def test_two_processes_make_different_ids_at_the_same_time(clock: Clock) -> None:
    assert len({Ids().new() for _ in range(1000)}) == 1000
