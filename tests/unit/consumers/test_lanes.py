"""Who goes, who waits and who is sent back."""

import asyncio

import pytest

from consumers import lanes as module
from consumers.breaker import Breaker, BreakerState
from consumers.lanes import Lane, Lanes


class Flight:
    """Lanes whose deliveries end when the test says so."""

    def __init__(self, *, places: int = 10, places_per_lane: int = 4) -> None:
        self.now = 100.0
        self.going: list[tuple[Lane[str], str]] = []
        self.begun: list[str] = []
        self.lanes: Lanes[str] = Lanes(
            self._go,
            places=places,
            places_per_lane=places_per_lane,
            breaker=lambda: Breaker(failures=3, open_seconds=10),
            clock=lambda: self.now,
        )

    def _go(self, lane: Lane[str], delivery: str) -> None:
        self.going.append((lane, delivery))
        self.begun.append(delivery)

    def end(self, delivery: str, *, well: bool = True) -> list[str]:
        """Ends a delivery; answers what a breaker that opens by it sends back."""
        [found] = [each for each in self.going if each[1] == delivery]
        self.going.remove(found)
        lane, _ = found
        opened = not well and lane.breaker.fail(self.now)
        if well:
            lane.breaker.succeed()
        back = self.lanes.clear_line(lane) if opened else []
        self.lanes.leave(lane)
        return back

    async def enter(self, destination: str, count: int, start: int = 0) -> list[float | None]:
        return [await self.lanes.enter(destination, f"{destination}{n}") for n in range(start, start + count)]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)


async def test_a_lane_has_its_places_and_a_line() -> None:
    flight = Flight()
    assert await flight.enter("a", 8) == [None] * 8
    assert flight.begun == ["a0", "a1", "a2", "a3"]
    assert (flight.lanes.in_flight, flight.lanes.waiting) == (4, 4)
    flight.end("a2")
    assert flight.begun[-1] == "a4"


async def test_a_lane_may_have_fewer_places_and_the_same_line() -> None:
    flight = Flight()
    assert [await flight.lanes.enter("a", f"a{n}", places=2) for n in range(6)] == [None] * 6
    assert flight.begun == ["a0", "a1"]
    assert (flight.lanes.in_flight, flight.lanes.waiting) == (2, 4)
    for n in range(4):
        flight.end(f"a{n}")
        assert flight.begun[-1] == f"a{n + 2}"
    assert flight.lanes.in_flight == 2
    # More than others have is not to be had.
    assert [await flight.lanes.enter("b", f"b{n}", places=9) for n in range(6)] == [None] * 6
    assert sum(delivery.startswith("b") for delivery in flight.begun) == 4


async def test_a_destination_that_asks_for_less_gets_half_once_for_what_was_in_flight_together() -> None:
    flight = Flight(places_per_lane=8, places=20)
    await flight.enter("a", 16)
    [lane] = {lane for lane, _ in flight.going}
    flight.now += 1
    assert [lane.ease(flight.now, began=100.5), lane.ease(flight.now + 1, began=100.7)] == [True, False]
    assert lane.places == 4
    for n in range(4):
        flight.end(f"a{n}")
    assert len(flight.begun) == 8
    flight.end("a4")
    assert flight.begun[8:] == ["a8"]
    assert lane.ease(flight.now, began=flight.now)
    assert lane.places == 2


async def test_a_destination_has_one_place_at_least() -> None:
    flight = Flight()
    await flight.enter("a", 3)
    [lane] = {lane for lane, _ in flight.going}
    for _ in range(9):
        flight.now += 1
        lane.ease(flight.now, began=flight.now)
    assert lane.places == 1
    for n in range(3):
        flight.end(f"a{n}")
    await flight.enter("a", 2, start=3)
    assert flight.begun[3:] == ["a3"]


async def test_a_destination_that_takes_what_it_gets_has_all_its_places_again() -> None:
    flight = Flight(places_per_lane=8, places=20)
    await flight.enter("a", 8)
    [lane] = {lane for lane, _ in flight.going}
    lane.ease(flight.now, began=flight.now)
    places = []
    for _ in range(40):
        lane.strengthen()
        places.append(lane.places)
    assert places == sorted(places)
    assert places[3] == 4
    assert places[5] == 5
    assert places[-1] == 8
    assert not lane.at_rest
    for n in range(8):
        flight.end(f"a{n}")
    assert lane.at_rest


async def test_a_lane_of_few_places_that_stands_still_is_slow_too() -> None:
    flight = Flight()
    for n in range(6):
        await flight.lanes.enter("a", f"a{n}", places=2)
    stay = await flight.lanes.enter("a", "a6", places=2)
    assert stay is not None


async def test_who_finds_the_line_full_waits_for_room() -> None:
    flight = Flight()
    await flight.enter("a", 8)
    waiting = asyncio.create_task(flight.enter("a", 1, start=8))
    await asyncio.sleep(0)
    assert not waiting.done()
    flight.end("a0")
    assert await waiting == [None]


async def test_a_destination_that_stands_still_sends_back_what_finds_no_room_each_a_bit_later() -> None:
    flight = Flight()
    await flight.enter("a", 8)
    stays = await flight.enter("a", 3, start=8)
    assert all(stay is not None and stay >= 1 for stay in stays)
    assert stays == sorted(stays, key=lambda stay: stay or 0)
    # The others are not held up.
    assert await flight.enter("b", 4) == [None] * 4
    # It moves again: what comes stands in line again.
    for n in range(4):
        flight.end(f"a{n}")
    assert await flight.enter("a", 1, start=20) == [None]


async def test_free_places_go_to_the_waiting_destinations_in_turn() -> None:
    flight = Flight(places=2, places_per_lane=4)
    await flight.enter("a", 4)
    await flight.enter("b", 4)
    await flight.enter("c", 1)
    assert flight.begun == ["a0", "a1"]
    flight.end("a0")
    flight.end("a1")
    for delivery in ("a2", "b0", "c0", "a3"):
        flight.end(delivery)
    assert flight.begun[2:] == ["a2", "b0", "c0", "a3", "b1", "b2"]


async def test_nobody_is_lost_or_started_twice() -> None:
    flight = Flight(places=5, places_per_lane=3)
    entering = [asyncio.create_task(flight.enter(destination, 5)) for destination in "abcd"]
    while len(flight.begun) < 20:
        await asyncio.sleep(0)
        for _, delivery in flight.going[:]:
            flight.end(delivery)
    assert await asyncio.gather(*entering) == [[None] * 5] * 4
    while flight.going:
        flight.end(flight.going[0][1])
    assert sorted(flight.begun) == sorted(f"{destination}{n}" for destination in "abcd" for n in range(5))
    assert (flight.lanes.in_flight, flight.lanes.waiting) == (0, 0)
    assert flight.lanes.breakers() == {}


async def test_an_open_breaker_sends_back_the_line_and_what_comes_then_lets_one_probe() -> None:
    flight = Flight()
    await flight.enter("a", 8)
    # Each failure but the last lets the next in line go.
    backs = [flight.end(delivery, well=False) for delivery in ("a0", "a1", "a2")]
    assert backs == [[], [], ["a6", "a7"]]
    assert flight.lanes.breakers() == {"a": BreakerState.OPEN}
    [stay] = await flight.enter("a", 1, start=10)
    assert stay == 10
    for delivery in ("a3", "a4", "a5"):
        flight.end(delivery, well=False)
    flight.now += 10
    assert flight.lanes.breakers() == {"a": BreakerState.HALF_OPEN}
    assert await flight.enter("a", 1, start=11) == [None]
    [stay] = await flight.enter("a", 1, start=12)
    assert stay is not None
    flight.end("a11")
    assert flight.lanes.breakers() == {}
    assert await flight.enter("a", 4, start=13) == [None] * 4


async def test_clear_gives_back_every_line() -> None:
    flight = Flight(places=2, places_per_lane=2)
    await flight.enter("a", 3)
    await flight.enter("b", 2)
    assert sorted(flight.lanes.clear()) == ["a2", "b0", "b1"]
    assert flight.lanes.waiting == 0
    flight.end("a0")
    assert flight.begun == ["a0", "a1"]


async def test_a_destination_that_moves_on_is_waited_for() -> None:
    flight = Flight()
    await flight.enter("a", 8)
    waiting = asyncio.create_task(flight.enter("a", 4, start=8))
    # Ends come now and then: slower than anybody's patience, fast enough for the line.
    for n in range(6):
        await asyncio.sleep(module.PATIENCE_SECONDS * 0.9)
        flight.end(f"a{n}")
    assert await waiting == [None] * 4


async def test_what_finds_no_room_stays_away_for_a_minute_at_most() -> None:
    flight = Flight()
    await flight.enter("a", 8)
    stays = [await flight.lanes.enter("a", f"more{n}") for n in range(3000)]
    assert max(stay or 0 for stay in stays) == module.LONGEST_STAY
