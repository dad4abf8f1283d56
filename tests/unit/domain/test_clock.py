"""tidings/domain/clock.py"""

from datetime import UTC, datetime

import pytest

from tests.clock import Clock
from tidings.domain.clock import PostgresClock

START = 1_900_000_000.0


class Machine:
    """A machine, and a Postgres whose clock is `ahead` of its monotonic one."""

    def __init__(self) -> None:
        self.monotonic, self.wall, self.ahead = Clock(100.0), Clock(START + 500), START - 100.0
        self.clock = PostgresClock(monotonic=self.monotonic, machine=self.wall)

    def hear(self, *, there: float = 0.0, back: float = 0.0) -> None:
        """A statement that takes so long to get there, and its answer back."""
        asked = self.monotonic.now
        seen = asked + there + self.ahead
        self.monotonic.now += there + back
        self.clock.heard(datetime.fromtimestamp(seen, UTC), asked=asked, answered=self.monotonic.now)

    def wrong_by(self) -> float:
        return self.clock.seconds() - (self.monotonic.now + self.ahead)


def test_the_machine_is_believed_until_postgres_was_asked() -> None:
    machine = Machine()
    assert machine.clock.seconds() == START + 500
    assert (machine.clock.machine_ahead(), machine.clock.age(), machine.clock.error()) == (
        0,
        float("inf"),
        float("inf"),
    )
    machine.hear()
    assert machine.wrong_by() == pytest.approx(0, abs=1e-6)
    assert machine.clock.machine_ahead() == pytest.approx(500)


def test_nothing_changes_when_the_machines_clock_is_set() -> None:
    machine = Machine()
    machine.hear()
    machine.wall.now -= 3600
    machine.monotonic.now += 10
    assert machine.wrong_by() == pytest.approx(0, abs=1e-6)
    assert machine.clock.age() == pytest.approx(10)


def test_the_best_reading_counts_and_a_slow_one_does_no_harm() -> None:
    machine = Machine()
    machine.hear(there=2.0)
    assert machine.wrong_by() == pytest.approx(1.0)
    assert machine.clock.error() == pytest.approx(1.0)
    machine.hear(there=0.001, back=0.001)
    assert machine.wrong_by() == pytest.approx(0, abs=1e-3)
    machine.hear(there=3.0)
    machine.hear(back=3.0)
    assert abs(machine.wrong_by()) < machine.clock.error() + 1e-6 < 0.005


@pytest.mark.parametrize("step", [7200.0, -7200.0, 2.0, -2.0])
def test_another_clock_is_believed_at_once(step: float) -> None:
    machine = Machine()
    machine.hear(there=0.001)
    machine.ahead += step
    machine.hear(there=0.001)
    assert machine.wrong_by() == pytest.approx(0, abs=0.002)


def test_two_clocks_that_drift_apart_are_followed() -> None:
    machine = Machine()
    for _ in range(1000):
        machine.hear(there=0.001, back=0.001)
        machine.monotonic.now += 5
        machine.ahead += 5 * 0.0001
        assert abs(machine.wrong_by()) < 0.01
