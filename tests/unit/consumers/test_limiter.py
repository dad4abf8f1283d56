"""Who goes, who waits and who is sent back."""

import asyncio

import pytest

from consumers import limiter as module
from consumers.breaker import Breaker, BreakerState
from consumers.destination import LONGEST_RETRY_IN, SHORTEST_RETRY_IN, Endpoint
from consumers.limiter import DestinationLimiter
from tests.eventually import eventually


class Flight:
    """DestinationLimiter whose deliveries end when the test says so."""

    def __init__(self, *, concurrency: int = 10, per_destination: int = 4) -> None:
        self.skipped = 0.0
        """Seconds by which its clock is ahead of the event loop's."""
        self.back: list[tuple[str, float]] = []
        """What was sent back from a line that was cut, with the seconds to stay away."""
        self.going: list[tuple[Endpoint[str], str]] = []
        self.begun: list[str] = []
        self.limiter: DestinationLimiter[str] = DestinationLimiter(
            self._go,
            lambda delivery, retry_in: self.back.append((delivery, retry_in)),
            concurrency=concurrency,
            concurrency_per_destination=per_destination,
            breaker=lambda: Breaker(failures=3, open_seconds=10),
            clock=lambda: self.now,
        )

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.skipped

    @property
    def breakers(self) -> dict[str, BreakerState]:
        return {each.name: each.state for each in self.limiter.breakers()}

    def _go(self, endpoint: Endpoint[str], delivery: str) -> None:
        self.going.append((endpoint, delivery))
        self.begun.append(delivery)

    def end(self, delivery: str, *, well: bool = True) -> list[str]:
        """Ends a delivery; returns what a breaker that opens by it sends back."""
        [found] = [each for each in self.going if each[1] == delivery]
        self.going.remove(found)
        endpoint, _ = found
        destination = endpoint.destination
        opened = not well and destination.breaker.fail(self.now)
        if well:
            destination.breaker.succeed()
        back = self.limiter.clear_line(destination) if opened else []
        self.limiter.leave(endpoint)
        return back

    def enter(self, destination: str, count: int, start: int = 0) -> list[float | None]:
        return [self.limiter.enter(destination, f"{destination}{n}") for n in range(start, start + count)]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.01)


@pytest.fixture
def long_patience(monkeypatch: pytest.MonkeyPatch, short_patience: None) -> None:
    """So long that it plays no part, however busy the machine is."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 30.0)


async def test_a_destination_has_its_concurrency_and_a_line() -> None:
    flight = Flight()
    assert flight.enter("a", 8) == [None] * 8
    assert flight.begun == ["a0", "a1", "a2", "a3"]
    assert (flight.limiter.in_flight, flight.limiter.waiting) == (4, 4)
    flight.end("a2")
    assert flight.begun[-1] == "a4"


async def test_a_destination_may_have_less_concurrency_and_the_same_line() -> None:
    flight = Flight()
    assert [flight.limiter.enter("a", f"a{n}", concurrency=2) for n in range(6)] == [None] * 6
    assert flight.begun == ["a0", "a1"]
    assert (flight.limiter.in_flight, flight.limiter.waiting) == (2, 4)
    for n in range(4):
        flight.end(f"a{n}")
        assert flight.begun[-1] == f"a{n + 2}"
    assert flight.limiter.in_flight == 2
    # More than others have is not to be had.
    assert [flight.limiter.enter("b", f"b{n}", concurrency=9) for n in range(6)] == [None] * 6
    assert sum(delivery.startswith("b") for delivery in flight.begun) == 4


async def cut(flight: Flight) -> None:
    """Waits until a line was cut."""

    async def some() -> bool:
        return bool(flight.back)

    await eventually(some)


async def test_lines_hold_as_much_as_can_be_in_flight_and_then_there_is_no_room() -> None:
    flight = Flight()
    assert flight.enter("a", 13) == [None] * 13
    assert flight.limiter.room.is_set()
    assert flight.enter("a", 1, start=13) == [None]
    assert (flight.limiter.in_flight, flight.limiter.waiting) == (4, 10)
    assert not flight.limiter.room.is_set()
    flight.end("a0")
    assert flight.limiter.room.is_set()
    assert flight.back == []


async def test_a_destination_that_is_stalled_makes_room_for_others_at_once(long_patience: None) -> None:
    flight = Flight()
    flight.enter("b", 4)
    flight.enter("a", 12)
    assert flight.back == []
    await asyncio.sleep(2 * module.STALLED_SECONDS)
    assert flight.enter("a", 2, start=12) == [None] * 2
    # As many as may be in flight stay in line; the others come again, each a bit later than the last.
    assert [delivery for delivery, _ in flight.back] == [f"a{n}" for n in range(8, 14)]
    waits = [retry_in for _, retry_in in flight.back]
    assert waits == sorted(waits)
    assert waits[0] >= SHORTEST_RETRY_IN
    assert (flight.limiter.waiting, flight.limiter.room.is_set()) == (4, True)
    # From now on what finds the line full is refused, and the others are not held up.
    [retry_in] = flight.enter("a", 1, start=14)
    assert retry_in is not None
    assert retry_in > waits[-1]
    flight.end("b0")
    assert flight.enter("b", 1, start=4) == [None]
    # It moves again: what comes stands in line again.
    for n in range(2):
        flight.end(f"a{n}")
    assert flight.enter("a", 3, start=20) == [None] * 3


async def test_room_is_made_as_soon_as_it_is_certain_that_a_destination_is_stalled(long_patience: None) -> None:
    flight = Flight()
    flight.enter("b", 1)
    flight.enter("a", 14)
    assert not flight.limiter.room.is_set()
    # Nothing more comes in that could ask for room.
    await asyncio.wait_for(flight.limiter.room.wait(), timeout=module.PATIENCE_SECONDS / 2)
    assert [delivery for delivery, _ in flight.back] == [f"a{n}" for n in range(8, 14)]


async def test_a_destination_that_is_alone_is_waited_for_a_while() -> None:
    flight = Flight()
    flight.enter("a", 14)
    began = asyncio.get_running_loop().time()
    await cut(flight)
    waited = asyncio.get_running_loop().time() - began
    assert waited >= module.PATIENCE_SECONDS * module.PATIENCE_FACTOR_OF_ONE * 0.9
    assert [delivery for delivery, _ in flight.back] == [f"a{n}" for n in range(8, 14)]


async def test_a_destination_that_moves_too_slowly_is_cut_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 1.0)
    flight = Flight()
    flight.enter("b", 1)
    flight.enter("a", 14)
    # One delivery in the time: it is not stalled, but its line would take a second.
    flight.end("a0")
    assert flight.enter("a", 1, start=14) == [None]
    await asyncio.sleep(2 * module.STALLED_SECONDS)
    assert flight.back == []
    await cut(flight)
    assert [delivery for delivery, _ in flight.back] == [f"a{n}" for n in range(9, 15)]


async def test_a_destination_of_little_concurrency_is_cut_too() -> None:
    flight = Flight()
    flight.enter("b", 1)
    for n in range(12):
        flight.limiter.enter("a", f"a{n}", concurrency=2)
    await cut(flight)
    assert [delivery for delivery, _ in flight.back] == [f"a{n}" for n in range(6, 12)]


async def test_as_long_as_there_is_room_nothing_is_cut() -> None:
    flight = Flight()
    flight.enter("b", 1)
    flight.enter("a", 12)
    await asyncio.sleep(3 * module.PATIENCE_SECONDS)
    assert flight.limiter.room.is_set()
    assert flight.back == []


async def test_a_destination_without_capacity_for_want_of_it_in_the_process_is_not_cut() -> None:
    flight = Flight(concurrency=4)
    flight.enter("b", 4)
    flight.enter("a", 8)
    await asyncio.sleep(3 * module.PATIENCE_SECONDS)
    assert flight.back == []


async def test_free_capacity_goes_to_the_waiting_destinations_in_turn() -> None:
    flight = Flight(concurrency=2, per_destination=4)
    flight.enter("a", 4)
    flight.enter("b", 4)
    flight.enter("c", 1)
    assert flight.begun == ["a0", "a1"]
    flight.end("a0")
    flight.end("a1")
    for delivery in ("a2", "b0", "c0", "a3"):
        flight.end(delivery)
    assert flight.begun[2:] == ["a2", "b0", "c0", "a3", "b1", "b2"]


async def test_nobody_is_lost_or_started_twice() -> None:
    flight = Flight(concurrency=5, per_destination=3)
    for destination in "abcd":
        assert flight.enter(destination, 5) == [None] * 5
    while flight.going:
        for _, delivery in flight.going[:]:
            flight.end(delivery)
    assert sorted(flight.begun) == sorted(f"{destination}{n}" for destination in "abcd" for n in range(5))
    assert (flight.limiter.in_flight, flight.limiter.waiting) == (0, 0)
    assert flight.limiter.room.is_set()
    assert flight.breakers == {}


async def test_an_open_breaker_sends_back_the_line_and_what_comes_then_lets_one_probe() -> None:
    flight = Flight()
    flight.enter("a", 8)
    # Each failure but the last lets the next in line go.
    backs = [flight.end(delivery, well=False) for delivery in ("a0", "a1", "a2")]
    assert backs == [[], [], ["a6", "a7"]]
    assert flight.breakers == {"a": BreakerState.OPEN}
    [retry_in] = flight.enter("a", 1, start=10)
    assert retry_in == pytest.approx(10, abs=1)
    for delivery in ("a3", "a4", "a5"):
        flight.end(delivery, well=False)
    flight.skipped += 10
    assert flight.breakers == {"a": BreakerState.HALF_OPEN}
    assert flight.enter("a", 1, start=11) == [None]
    [retry_in] = flight.enter("a", 1, start=12)
    assert retry_in is not None
    flight.end("a11")
    assert flight.breakers == {}
    assert flight.enter("a", 4, start=13) == [None] * 4


async def test_clear_gives_back_every_line() -> None:
    flight = Flight(concurrency=2, per_destination=2)
    flight.enter("a", 3)
    flight.enter("b", 2)
    assert sorted(flight.limiter.clear()) == ["a2", "b0", "b1"]
    assert flight.limiter.waiting == 0
    flight.end("a0")
    assert flight.begun == ["a0", "a1"]


async def test_a_destination_that_moves_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 1.0)
    flight = Flight()
    flight.enter("b", 1)
    flight.enter("a", 14)
    # Ends come now and then, fast enough for the line.
    for n in range(5):
        flight.end(f"a{n}")
        flight.enter("a", 1, start=20 + n)
        await asyncio.sleep(module.PATIENCE_SECONDS * 0.3)
    assert flight.back == []


async def test_what_finds_no_room_stays_away_for_a_minute_at_most() -> None:
    flight = Flight()
    flight.enter("b", 1)
    flight.enter("a", 14)
    await cut(flight)
    waits = [flight.limiter.enter("a", f"more{n}") for n in range(3000)]
    assert max(retry_in or 0 for retry_in in waits) == LONGEST_RETRY_IN
