"""consumers/allowance.py: never more than its number in an hour, and close to it"""

import random
from bisect import bisect_left

import pytest

from consumers.allowance import HOUR_SECONDS, Allowance
from consumers.pace import Pace

HOURS = 3


def most_in_an_hour(times: list[float]) -> int:
    """In whichever hour."""
    times = sorted(times)
    return max((bisect_left(times, time + HOUR_SECONDS) - index for index, time in enumerate(times)), default=0)


def sent(allowance: Allowance, *, until: float) -> list[float]:
    """When messages go of which there is always another one."""
    times, now = [], 0.0
    while now < until:
        if wait := allowance.wait(now):
            now += wait
            continue
        allowance.go(now)
        times.append(now)
    return times


@pytest.mark.parametrize("per_hour", [1, 2, 9, 10, 19, 100, 500, 10_000])
@pytest.mark.parametrize("ran", [0.0, 10 * HOUR_SECONDS])
def test_no_hour_has_more_than_its_number_and_a_busy_one_nearly_as_many(per_hour: int, ran: float) -> None:
    times = sent(Allowance(per_hour, 0.0, ran=ran), until=HOURS * HOUR_SECONDS)
    assert most_in_an_hour(times) <= per_hour
    assert len(times) >= HOURS * per_hour * 0.89


@pytest.mark.parametrize("consumers", [2, 4, 16])
@pytest.mark.parametrize("per_hour", [5, 100, 1000])
def test_consumers_together_exceed_it_by_less_than_one_message_each(per_hour: int, consumers: int) -> None:
    allowances = [Allowance(per_hour, 0.0, ran=HOUR_SECONDS, consumers=consumers) for _ in range(consumers)]
    times = [time for allowance in allowances for time in sent(allowance, until=HOURS * HOUR_SECONDS)]
    assert most_in_an_hour(times) <= per_hour + consumers
    assert len(times) >= HOURS * per_hour * 0.85


def test_a_few_go_at_once_after_a_pause_whenever_they_come() -> None:
    allowance = Allowance(100, 0.0, ran=0.0)
    assert allowance.wait(0.0) == 0
    allowance.go(0.0)
    assert allowance.wait(0.0) > 30
    now, chance = HOUR_SECONDS, random.Random(7)
    times = []
    for _ in range(40):
        for _ in range(chance.randrange(20)):
            if not allowance.wait(now):
                allowance.go(now)
                times.append(now)
        now += chance.uniform(0, 600)
    assert times[:10] == [HOUR_SECONDS] * 10
    assert most_in_an_hour(times) <= 100


def test_it_may_be_forgotten_when_a_new_one_would_be_the_same() -> None:
    allowance = Allowance(100, 0.0, ran=HOUR_SECONDS)
    assert allowance.full(0.0)
    allowance.go(0.0)
    assert not allowance.full(10.0)
    assert allowance.full(60.0)


def test_a_consumer_that_was_just_started_begins_with_one() -> None:
    allowance = Allowance(1000, 0.0, ran=0.0)
    allowance.go(0.0)
    assert allowance.wait(0.0) > 0


def test_the_lower_of_what_is_set_and_what_was_learned_holds() -> None:
    pace = Pace(0.0)
    assert not pace.slows
    pace.allowance = Allowance(3600 * 20, 0.0, ran=HOUR_SECONDS)
    assert (pace.slows, pace.limits, pace.wait(0.0)) == (True, False, 0.0)
    for _ in range(3):
        pace.refuse(1.0, 1.0, None)
    assert pace.limits
    assert pace.rate < pace.allowance.rate
    assert pace.wait(1.0) > 0
    slow = Pace(0.0, answered=50.0)
    slow.allowance = Allowance(36, 0.0, ran=0.0)
    slow.go(0.0)
    for _ in range(3):
        slow.refuse(1.0, 1.0, None)
    assert slow.rate == slow.allowance.rate
    assert slow.wait(1.0) > 90
