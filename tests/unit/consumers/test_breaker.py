"""The circuit breaker, with the time in our hands."""

from consumers.breaker import Breaker, BreakerState


def opened(now: float = 100.0) -> Breaker:
    breaker = Breaker(failures=3, open_seconds=10)
    assert [breaker.fail(now) for _ in range(3)] == [False, False, True]
    return breaker


def test_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(failures=3, open_seconds=10)
    breaker.fail(0)
    breaker.fail(0)
    assert not breaker.succeed()
    breaker.fail(0)
    breaker.fail(0)
    assert breaker.state(0) is BreakerState.CLOSED
    assert breaker.wait(0) == 0
    assert breaker.fail(0)
    assert breaker.state(0) is BreakerState.OPEN


def test_open_then_half_open_then_closed_by_a_probe() -> None:
    breaker = opened()
    assert breaker.wait(104) == 6
    assert breaker.state(110) is BreakerState.HALF_OPEN
    assert breaker.wait(110) == 0
    breaker.begin()
    assert breaker.wait(111) > 0
    assert breaker.succeed()
    assert breaker.state(111) is BreakerState.CLOSED
    assert breaker.at_rest


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_a_limit() -> None:
    breaker, now, waits = opened(), 110.0, []
    for _ in range(5):
        breaker.begin()
        assert breaker.fail(now)
        waits.append(breaker.wait(now))
        now += breaker.wait(now)
    assert waits == [20, 40, 60, 60, 60]


def test_what_was_in_flight_when_it_opened_does_not_prolong_it() -> None:
    breaker = opened()
    assert not breaker.fail(105)
    assert breaker.wait(105) == 5


def test_an_abandoned_probe_lets_another_one_go() -> None:
    breaker = opened()
    breaker.begin()
    breaker.abandon()
    assert breaker.wait(110) == 0
