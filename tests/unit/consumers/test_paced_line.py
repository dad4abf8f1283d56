"""consumers/paced_line.py: what goes, what waits, and when the rest comes again."""

import asyncio

import pytest

from consumers.pace import Pace
from consumers.paced_line import AHEAD, LONGEST_AWAY, PacedLine
from tests.eventually import eventually


class Bench:
    """A line at about `rate`, whose clock the test may put forward."""

    def __init__(self, rate: float, *, delay: float | None = None) -> None:
        self.skipped = 0.0
        self.went: list[str] = []
        self.back: dict[str, float] = {}
        pace = Pace(self.now, rate)
        pace.refuse(self.now, self.now, delay)
        pace.refuse(self.now, self.now, delay)
        self.line: PacedLine[str] = PacedLine(
            pace, go=self.went.append, send_back=self.back.__setitem__, clock=lambda: self.now
        )

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.skipped

    def enter(self, name: str = "m", *, room: int = 1000) -> float | None:
        return self.line.enter(name, self.now, room=room)


async def test_what_comes_waits_in_order_and_goes_at_the_rate() -> None:
    bench = Bench(50)
    assert [bench.enter(f"m{n}") for n in range(10)] == [None] * 10
    began = bench.now

    async def all_gone() -> bool:
        return len(bench.went) == 10

    await eventually(all_gone)
    assert bench.went == [f"m{n}" for n in range(10)]
    assert bench.now - began > 0.1
    assert len(bench.line) == 0
    assert bench.line._timer is None


async def test_one_that_comes_when_nothing_waits_goes_at_once() -> None:
    bench = Bench(5)
    bench.skipped += 60
    assert bench.enter() == 0
    assert bench.enter() is None


async def test_the_line_holds_ten_seconds_and_half_of_the_room() -> None:
    bench = Bench(5)
    waits = [bench.enter() for _ in range(100)]
    assert waits.count(None) == int(bench.line.pace.rate * 10)
    assert len(bench.line) == waits.count(None)
    bench = Bench(5)
    assert [bench.enter(room=20 - n) for n in range(20)].count(None) == 10
    assert Bench(5).enter(room=0) is not None
    bench.line.take()


@pytest.fixture
def long_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate is no longer new."""
    monkeypatch.setattr(Pace, "known_seconds", 1e6)


@pytest.mark.usefixtures("long_known")
@pytest.mark.parametrize("elsewhere", [0.0, 3.0])
async def test_a_backlog_comes_again_a_little_faster_than_all_consumers_send(elsewhere: float) -> None:
    bench = Bench(5)
    bench.line.elsewhere = elsewhere
    rate = bench.line.pace.rate + elsewhere
    waits = [wait for _ in range(500) if (wait := bench.enter()) is not None]
    assert waits == sorted(waits)
    assert 1 <= waits[0] < 10
    assert waits[-1] - waits[0] == pytest.approx((len(waits) - 1) / rate / AHEAD, rel=0.01)
    bench.line.take()


async def test_a_rate_that_is_new_keeps_nothing_away_for_long() -> None:
    bench = Bench(5)
    assert max(bench.line.retry_in(bench.now) for _ in range(10_000)) < bench.line.pace.known_seconds + 2 < 12


@pytest.mark.usefixtures("long_known")
async def test_nothing_stays_away_for_longer_than_the_bound() -> None:
    bench = Bench(1)
    waits = [bench.line.retry_in(bench.now) for _ in range(10_000)]
    assert max(waits) < LONGEST_AWAY + 10
    # No crowd at the bound.
    assert max(sum(at <= wait < at + 10 for wait in waits) for at in range(0, 900, 10)) < 10_000 / 20


async def test_in_a_long_pause_nothing_waits_in_line() -> None:
    bench = Bench(5, delay=3600)
    wait = bench.enter()
    assert wait is not None
    assert 3600 <= wait < 3602
    # One that begins while some wait sends these back.
    bench = Bench(50)
    bench.enter("a")
    bench.enter("b")
    bench.line.pace.refuse(bench.now, bench.now - 1, 300)

    async def sent_back() -> bool:
        return len(bench.back) == 2

    await eventually(sent_back)
    assert 299 <= bench.back["a"] < bench.back["b"] < 302
    assert (bench.went, len(bench.line)) == ([], 0)


async def test_take_empties_it_and_stops_its_timer() -> None:
    bench = Bench(5)
    bench.enter("a")
    bench.enter("b")
    assert bench.line.take() == ["a", "b"]
    assert (len(bench.line), bench.line._timer) == (0, None)
