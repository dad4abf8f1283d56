"""How long claims wait for more messages."""

import pytest

from producer.claimer import LONGEST_AT, LONGEST_SECONDS, Linger


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def flow(linger: Linger, clock: Clock, *, rate: float, seconds: float = 10.0, every: float = 0.01) -> None:
    """Messages at a steady rate, claimed at every tick."""
    for _ in range(int(seconds / every)):
        clock.now += every
        linger.record(int(rate * every))


def test_a_lone_message_does_not_wait() -> None:
    clock = Clock()
    linger = Linger(clock)
    assert linger.pause() == 0
    linger.record(1)
    assert linger.pause() < 0.0001
    clock.now += 5
    assert linger.pause() == 0


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_the_wait_grows_with_the_rate(share: float) -> None:
    clock = Clock()
    linger = Linger(clock)
    flow(linger, clock, rate=share * LONGEST_AT)
    assert linger.pause() == pytest.approx(share * LONGEST_SECONDS, rel=0.05)


def test_it_is_never_longer_than_the_longest() -> None:
    clock = Clock()
    linger = Linger(clock)
    flow(linger, clock, rate=20 * LONGEST_AT)
    assert linger.pause() == pytest.approx(LONGEST_SECONDS)


def test_what_has_passed_since_the_last_claim_counts() -> None:
    clock = Clock()
    linger = Linger(clock)
    flow(linger, clock, rate=LONGEST_AT)
    clock.now += LONGEST_SECONDS / 2
    assert linger.pause() == pytest.approx(LONGEST_SECONDS / 2, rel=0.1)
    clock.now += LONGEST_SECONDS
    assert linger.pause() == 0


def test_a_burst_is_forgotten() -> None:
    clock = Clock()
    linger = Linger(clock)
    flow(linger, clock, rate=LONGEST_AT)
    flow(linger, clock, rate=0, seconds=10)
    assert linger.pause() < LONGEST_SECONDS / 100
