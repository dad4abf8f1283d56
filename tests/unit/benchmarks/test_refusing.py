"""benchmarks/simulation/refusing.py"""

import pytest

from benchmarks.simulation.refusing import SECONDS, Case, RefusingReceiver, simulate
from tidings.channels.base import Accepted

MESSAGES = 2_000


def test_the_gateway_takes_its_rate_and_refuses_the_rest() -> None:
    gateway = RefusingReceiver(100)
    taken = sum(isinstance(gateway.answer(number / 1000)[1], Accepted) for number in range(10_000))
    # A second's worth at once, then its rate for ten seconds.
    assert taken == pytest.approx(1_100, abs=2)
    assert gateway.refused == 10_000 - taken


def test_a_concurrency_that_the_rate_needs_is_refused_nothing() -> None:
    case = Case(messages=MESSAGES, rate=100, concurrency=int(100 * SECONDS))
    came = simulate(case)
    assert (came.ends, came.refused) == ({"sent": MESSAGES}, 0)
    assert came.seconds == pytest.approx(MESSAGES / 100, abs=3)


def test_more_are_refused_and_every_message_ends_all_the_same() -> None:
    came = simulate(Case(messages=MESSAGES, rate=20, concurrency=128))
    assert came.refused > 0
    assert sum(came.ends.values()) == MESSAGES
    assert simulate(came.case) == came
