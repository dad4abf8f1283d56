"""benchmarks/simulation/receivers.py"""

import random

import pytest

from benchmarks.simulation.receivers import Character, Receiver, receivers
from tidings.channels.base import Accepted, Retry

STEADY = Character(seconds=0.2, rate=100, away_every=1e9, away_for=1)


def receiver(character: Character, *, weight: int = 1) -> Receiver:
    return Receiver(character, weight=weight, timeout=15, chance=random.Random(1))


def test_it_answers_within_its_time() -> None:
    there = receiver(STEADY)
    for second in range(100):
        seconds, _ = there.answer(float(second))
        assert 0.1 <= seconds <= 0.3


@pytest.mark.parametrize("weight", [1, 10])
def test_it_takes_no_more_than_its_rate_whatever_the_weight(weight: int) -> None:
    there = receiver(STEADY, weight=weight)
    answered_at = [there.answer(0.0)[0] for _ in range(1000 // weight)]
    assert max(answered_at) == pytest.approx(10, abs=0.5)


def test_who_waits_too_long_is_not_answered() -> None:
    there = receiver(STEADY)
    answers = [there.answer(0.0) for _ in range(3_000)]
    unanswered = [(seconds, result) for seconds, result in answers if isinstance(result, Retry)]
    assert 1_400 < len(unanswered) < 1_600
    assert all(result.unanswered and seconds == 15 for seconds, result in unanswered)


def test_it_is_away_at_times_and_comes_back() -> None:
    there = receiver(Character(seconds=0.2, rate=100, away_every=1_000, away_for=100))
    results = [there.answer(float(second))[1] for second in range(100_000)]
    away = sum(isinstance(result, Retry) for result in results)
    # 50 s of 1,050 in the middle.
    assert 0.02 < away / len(results) < 0.09
    assert isinstance(results[-1], Accepted) or isinstance(results[-200], Accepted)


def test_a_destination_is_one_receiver_for_all() -> None:
    find = receivers(weight=1, timeout=15, chance=random.Random(1))
    assert find("sms 0") is find("sms 0")
    assert find("webhook 1") is not find("webhook 2")
