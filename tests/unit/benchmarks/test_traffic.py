"""benchmarks/simulation/traffic.py"""

import random

import pytest

from benchmarks.simulation.traffic import DAY, HOUR, HOURS, KINDS, Kind, busiest_rate, messages, moment, second

COUNT = 7_900


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_as_many_as_asked_in_the_order_of_their_due_times(kind: Kind) -> None:
    made = list(messages(kind, COUNT, 100, random.Random(1)))
    times = [message.wanted_at for message in made]
    assert [message.number for message in made] == list(range(100, 100 + COUNT))
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= DAY
    assert len({message.destination for message in made}) == kind.receivers
    if kind.hours:
        assert set(times) == {hour * HOUR for hour in kind.hours}


def test_the_day_has_the_hours_that_it_should() -> None:
    kind = next(kind for kind in KINDS if not kind.hours)
    times = [message.wanted_at for message in messages(kind, COUNT, 0, random.Random(1))]
    for hour, share in enumerate(HOURS):
        there = sum(hour * HOUR <= at < (hour + 1) * HOUR for at in times)
        assert there == pytest.approx(COUNT * share / sum(HOURS), abs=2)


def test_the_kinds_are_the_whole() -> None:
    assert sum(kind.percent for kind in KINDS) == 100


def test_the_busiest_hour_is_busier_than_the_mean() -> None:
    campaigns = sum(kind.percent for kind in KINDS if kind.hours) / 100
    mean = 1_000_000 * (1 - campaigns) / DAY
    assert mean * 1.5 < busiest_rate(1_000_000) < mean * 2


def test_what_a_row_would_say() -> None:
    kind = Kind(name="codes", channel="sms", percent=100, life=600, ahead=60)
    message = next(messages(kind, 1, 0, random.Random(1)))
    row = message.delivery
    assert second(row.due_at) == pytest.approx(message.wanted_at, abs=1e-5)
    assert row.expires_at == row.due_at + (moment(600) - moment(0))
    assert row.created_at == row.due_at - (moment(60) - moment(0))
