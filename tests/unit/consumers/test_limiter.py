"""Who goes, who waits and who is sent back."""

import asyncio

import pytest

from consumers import destination as destinations
from consumers import limiter as module
from consumers import room
from consumers.breaker import Breaker, BreakerState
from consumers.capacity import SLOW_SECONDS, Limits
from consumers.destination import LONGEST_RETRY_IN, SHORTEST_RETRY_IN, Entry
from consumers.limiter import DestinationLimiter
from tests.eventually import eventually
from tidings.channels.recipient import EndpointKey


class Flight:
    """DestinationLimiter whose deliveries end when the test says so."""

    def __init__(
        self,
        *,
        concurrency: int = 10,
        per_destination: int = 4,
        slow: int = 100,
        held_bytes: int = 1000,
        still: bool = False,
    ) -> None:
        self.skipped = 0.0
        """Seconds by which its clock is ahead of the event loop's, or that it shows where that one does not move it."""
        self._still = still
        self.back: list[tuple[str, float]] = []
        """What was sent back from a line that was cut, with the seconds to stay away."""
        self.going: list[tuple[Entry[str], float]] = []
        """With the time when each began."""
        self.begun: list[str] = []
        self.limiter: DestinationLimiter[str] = DestinationLimiter(
            self._go,
            lambda delivery, retry_in: self.back.append((delivery, retry_in)),
            limits=Limits(in_flight=concurrency, slow=slow, per_destination=per_destination, held_bytes=held_bytes),
            breaker=lambda: Breaker(failures=3, open_seconds=10),
            clock=lambda: self.now,
        )

    @property
    def now(self) -> float:
        return self.skipped + (0 if self._still else asyncio.get_running_loop().time())

    @property
    def breakers(self) -> dict[str, BreakerState]:
        return {each.name: each.state for each in self.limiter.breakers()}

    def _go(self, entry: Entry[str]) -> None:
        self.going.append((entry, self.now))
        self.begun.append(entry.delivery)

    def end(self, delivery: str, *, well: bool | None = True) -> list[str]:
        """Ends a delivery; returns what a breaker that opens by it sends back. `well` is None: it says nothing."""
        [found] = [each for each in self.going if each[0].delivery == delivery]
        self.going.remove(found)
        entry, began = found
        destination = entry.endpoint.destination
        if well is not None:
            entry.endpoint.answered(self.now)
            destination.answered(self.now, began=began)
        opened = well is False and destination.breaker.fail(self.now)
        if well:
            destination.breaker.succeed()
        back = self.limiter.clear_line(destination) if opened else []
        self.limiter.leave(entry)
        return back

    def time_out(self, delivery: str) -> None:
        [found] = [each for each in self.going if each[0].delivery == delivery]
        self.going.remove(found)
        entry, began = found
        if self.now - began >= SLOW_SECONDS:
            entry.endpoint.unanswered(began=began)
            entry.endpoint.destination.unanswered(began=began)
        self.limiter.leave(entry)

    def know(self, *keys: str, concurrency: int | None = None) -> None:
        """Has destinations answer until they have all of their concurrency."""
        for key in keys:
            for _ in range(16):
                assert self.limiter.enter(key, "known", concurrency=concurrency) is None
                self.end("known")
        self.begun.clear()

    def enter(self, destination: str, count: int, start: int = 0) -> list[float | None]:
        return [self.limiter.enter(destination, f"{destination}{n}") for n in range(start, start + count)]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(destinations, "STALLED_SECONDS", 0.01)


@pytest.fixture
def long_patience(monkeypatch: pytest.MonkeyPatch, short_patience: None) -> None:
    """So long that it plays no part, however busy the machine is."""
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 30.0)


async def test_a_destination_has_its_concurrency_and_a_line() -> None:
    flight = Flight()
    flight.know("a")
    assert flight.enter("a", 8) == [None] * 8
    assert flight.begun == ["a0", "a1", "a2", "a3"]
    assert (flight.limiter.in_flight, flight.limiter.waiting) == (4, 4)
    flight.end("a2")
    assert flight.begun[-1] == "a4"


async def test_a_destination_may_have_less_concurrency_and_the_same_line() -> None:
    flight = Flight()
    flight.know("a", concurrency=2)
    flight.know("b", concurrency=9)
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
    flight.know("a")
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
    flight.know("a", "b")
    flight.enter("b", 4)
    flight.enter("a", 12)
    assert flight.back == []
    assert flight.enter("a", 2, start=12) == [None] * 2
    await cut(flight)
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
    flight.know("a", "b")
    flight.enter("b", 1)
    flight.enter("a", 14)
    assert not flight.limiter.room.is_set()
    # Nothing more comes in that could ask for room.
    await asyncio.wait_for(flight.limiter.room.wait(), timeout=room.PATIENCE_SECONDS / 2)
    assert [delivery for delivery, _ in flight.back] == [f"a{n}" for n in range(8, 14)]


async def test_a_destination_that_is_alone_is_waited_for_a_while() -> None:
    flight = Flight()
    flight.know("a")
    flight.enter("a", 14)
    began = asyncio.get_running_loop().time()
    await cut(flight)
    waited = asyncio.get_running_loop().time() - began
    assert waited >= room.PATIENCE_SECONDS * room.PATIENCE_FACTOR_OF_ONE * 0.9
    assert [delivery for delivery, _ in flight.back] == [f"a{n}" for n in range(8, 14)]


async def test_a_destination_that_moves_too_slowly_is_cut_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 1.0)
    flight = Flight()
    flight.know("a", "b")
    flight.enter("b", 1)
    flight.enter("a", 14)
    # One delivery in the time: it is not stalled, but its line would take a second.
    flight.end("a0")
    assert flight.enter("a", 1, start=14) == [None]
    await asyncio.sleep(2 * destinations.STALLED_SECONDS)
    assert flight.back == []
    await cut(flight)
    assert [delivery for delivery, _ in flight.back] == [f"a{n}" for n in range(9, 15)]


async def test_a_destination_of_little_concurrency_is_cut_too() -> None:
    flight = Flight()
    flight.know("a", concurrency=2)
    flight.know("b")
    flight.enter("b", 1)
    for n in range(12):
        flight.limiter.enter("a", f"a{n}")
    await cut(flight)
    assert [delivery for delivery, _ in flight.back] == [f"a{n}" for n in range(6, 12)]


async def test_as_long_as_there_is_room_nothing_is_cut() -> None:
    flight = Flight()
    flight.know("a", "b")
    flight.enter("b", 1)
    flight.enter("a", 12)
    await asyncio.sleep(3 * room.PATIENCE_SECONDS)
    assert flight.limiter.room.is_set()
    assert flight.back == []


async def test_a_destination_without_capacity_for_want_of_it_in_the_process_is_not_cut() -> None:
    flight = Flight(concurrency=4)
    flight.know("a", "b")
    flight.enter("b", 4)
    flight.enter("a", 8)
    await asyncio.sleep(3 * room.PATIENCE_SECONDS)
    assert flight.back == []


async def test_free_capacity_goes_to_the_waiting_destinations_in_turn() -> None:
    flight = Flight(concurrency=2, per_destination=4)
    flight.know("a", "b", "c")
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
    flight.know("a", "b", "c", "d")
    for destination in "abcd":
        assert flight.enter(destination, 5) == [None] * 5
    while flight.going:
        for entry, _ in flight.going[:]:
            flight.end(entry.delivery)
    assert sorted(flight.begun) == sorted(f"{destination}{n}" for destination in "abcd" for n in range(5))
    assert (flight.limiter.in_flight, flight.limiter.waiting) == (0, 0)
    assert flight.limiter.room.is_set()
    assert flight.breakers == {}


async def test_an_open_breaker_sends_back_the_line_and_what_comes_then_lets_one_probe() -> None:
    flight = Flight()
    flight.know("a")
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
    flight.know("a", "b")
    flight.enter("a", 3)
    flight.enter("b", 2)
    assert sorted(flight.limiter.clear()) == ["a2", "b0", "b1"]
    assert flight.limiter.waiting == 0
    flight.end("a0")
    assert flight.begun == ["a0", "a1"]


async def test_a_destination_that_moves_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 1.0)
    flight = Flight()
    flight.know("a", "b")
    flight.enter("b", 1)
    flight.enter("a", 14)
    # Ends come now and then, fast enough for the line.
    for n in range(5):
        flight.end(f"a{n}")
        flight.enter("a", 1, start=20 + n)
        await asyncio.sleep(room.PATIENCE_SECONDS * 0.3)
    assert flight.back == []


async def test_what_finds_no_room_stays_away_for_a_minute_at_most() -> None:
    flight = Flight()
    flight.know("a", "b")
    flight.enter("b", 1)
    flight.enter("a", 14)
    await cut(flight)
    waits = [flight.limiter.enter("a", f"more{n}") for n in range(10_000)]
    assert max(retry_in or 0 for retry_in in waits) == LONGEST_RETRY_IN


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, [1, 3, 9, 27]), (0.2, [1, 4, 16, 60])])
async def test_a_destination_that_has_not_answered_has_one_in_flight_and_more_after_each_round(
    seconds: float, expected: list[int]
) -> None:
    flight = Flight(concurrency=100, per_destination=60, still=True)
    flight.enter("a", 100)
    rounds = []
    while flight.going:
        rounds.append(len(flight.going))
        flight.skipped += seconds
        for entry, _ in flight.going[:]:
            flight.end(entry.delivery)
    assert rounds[: len(expected)] == expected


async def test_a_time_out_puts_a_destination_back_to_one_unless_something_else_was_answered() -> None:
    flight = Flight(concurrency=100, per_destination=8)
    flight.know("a")
    flight.enter("a", 12)
    flight.skipped += 15
    flight.end("a1")
    flight.time_out("a0")
    assert flight.begun[8:] == ["a8", "a9"]
    flight.skipped += 15
    flight.time_out("a8")
    assert len(flight.begun) == 10
    for n in (2, 3, 4, 5, 6, 7):
        flight.time_out(f"a{n}")
    assert len(flight.begun) == 10
    flight.time_out("a9")
    assert flight.begun[10:] == ["a10"]
    flight.end("a10")
    assert flight.begun[11:] == ["a11"]


async def test_a_connection_that_fails_at_once_is_no_time_out() -> None:
    flight = Flight(per_destination=4)
    flight.know("a")
    flight.enter("a", 6)
    flight.time_out("a0")
    flight.time_out("a1")
    assert flight.begun[4:] == ["a4", "a5"]


async def test_what_hangs_takes_nothing_from_destinations_that_answer() -> None:
    flight = Flight(concurrency=8, per_destination=4, slow=40)
    flight.know("good")
    for n in range(30):
        flight.enter(f"bad{n}", 1)
    assert (flight.limiter.in_flight, flight.limiter.slow) == (30, 30)
    flight.skipped += 10
    flight.enter("good", 4)
    assert flight.begun[-1] == "good3"
    # The last quarter is kept, but not from `high`.
    for n in range(30, 34):
        flight.enter(f"bad{n}", 1)
    assert flight.limiter.in_flight == 34
    assert flight.limiter.enter("new", "high", high=True) is None
    assert flight.begun[-1] == "high"
    assert flight.limiter.enter("bad33", "high too", high=True) is None
    assert flight.begun[-1] == "high too"
    # One that ends lets the next go.
    flight.time_out("bad00")
    assert flight.begun[-1] in {"bad300", "bad310", "bad320"}


async def test_one_that_waited_for_the_slow_share_goes_as_soon_as_something_there_ends() -> None:
    flight = Flight(slow=4)
    for n in range(6):
        flight.enter(f"bad{n}", 1)
    assert flight.begun == ["bad00", "bad10", "bad20"]
    flight.end("bad10")
    assert flight.begun[3:] == ["bad30"]
    assert flight.limiter.clear() == ["bad40", "bad50"]
    flight.end("bad00")
    assert flight.begun[4:] == []


async def test_a_message_of_high_priority_brings_its_destination_before_the_others() -> None:
    flight = Flight(slow=4)
    for n in range(5):
        flight.enter(f"bad{n}", 1)
    assert flight.begun == ["bad00", "bad10", "bad20"]
    flight.limiter.enter("bad4", "high", high=True)
    assert flight.begun[3:] == ["high"]


async def test_a_delivery_that_has_waited_for_long_counts_as_slow() -> None:
    flight = Flight(concurrency=4, per_destination=4)
    flight.know("a", "b")
    flight.enter("a", 4)
    assert (flight.limiter.in_flight, flight.limiter.slow) == (4, 0)
    flight.enter("b", 2)
    assert len(flight.begun) == 4
    flight.skipped += SLOW_SECONDS

    async def begun() -> bool:
        return flight.begun[4:] == ["b0", "b1"]

    await eventually(begun)
    assert (flight.limiter.in_flight, flight.limiter.slow) == (6, 4)
    for entry, _ in flight.going[:]:
        flight.end(entry.delivery)
    assert (flight.limiter.in_flight, flight.limiter.slow) == (0, 0)


async def test_a_destination_that_answers_slowly_counts_as_slow_from_the_start() -> None:
    flight = Flight(concurrency=4, per_destination=4)
    flight.know("a")
    flight.enter("a", 1)
    flight.skipped += 2 * SLOW_SECONDS
    flight.end("a0")
    flight.enter("a", 1, start=1)
    assert (flight.limiter.in_flight, flight.limiter.slow) == (1, 1)
    flight.end("a1")
    flight.enter("a", 1, start=2)
    assert (flight.limiter.in_flight, flight.limiter.slow) == (1, 0)


async def test_lines_of_destinations_that_hang_go_back_whole_and_take_nothing_more() -> None:
    flight = Flight(concurrency=50, slow=10)
    flight.know("good")
    flight.enter("good", 1)
    for name in "abc":
        flight.enter(name, 4)
    assert flight.limiter.room.is_set()
    flight.enter("d", 4)
    assert not flight.limiter.room.is_set()
    await cut(flight)
    assert flight.limiter.room.is_set()
    assert sorted(delivery for delivery, _ in flight.back) == [f"{name}{n}" for name in "abcd" for n in (1, 2, 3)]
    flight.skipped += SLOW_SECONDS
    flight.enter("other", 6)
    [retry_in] = flight.enter("a", 1, start=4)
    # Twice as long as it has not answered by now.
    assert retry_in is not None
    assert retry_in > 2 * SLOW_SECONDS
    flight.end("a0")
    assert flight.enter("a", 1, start=5) == [None]


async def test_what_hangs_is_waited_for_while_nobody_needs_the_room() -> None:
    flight = Flight(concurrency=10)
    flight.enter("a", 2)
    flight.skipped += 10
    assert flight.enter("a", 2, start=2) == [None] * 2
    assert flight.back == []


async def test_contents_have_a_bound_of_their_own() -> None:
    flight = Flight(concurrency=100, per_destination=8, held_bytes=800)
    flight.know("a", "b")
    for n in range(7):
        flight.limiter.enter("a", f"a{n}", size=100)
    # A quarter of all for one destination.
    assert flight.begun == ["a0", "a1"]
    assert flight.limiter.room.is_set()
    flight.limiter.enter("b", "larger than all", size=2000)
    assert flight.begun[2:] == []
    assert not flight.limiter.room.is_set()
    flight.end("a0")
    assert flight.begun[2:] == ["a2"]
    for n in range(1, 7):
        flight.end(f"a{n}")
    assert flight.begun[-1] == "larger than all"
    assert not flight.limiter.room.is_set()
    flight.end("larger than all")
    assert flight.limiter.room.is_set()
    assert flight.limiter.held_bytes == 0


async def test_what_hangs_holds_half_of_the_bytes_at_the_most() -> None:
    flight = Flight(concurrency=100, held_bytes=800)
    flight.know("good")
    flight.enter("good", 1)
    for n in range(8):
        flight.limiter.enter(f"bad{n}", f"bad{n}", size=100)
    assert flight.limiter.slow == 4
    assert not flight.limiter.room.is_set()
    await cut(flight)
    assert flight.limiter.room.is_set()
    assert flight.limiter.held_bytes == 400
    assert flight.limiter.enter("good", "large", size=150) is None
    assert flight.begun[-1] == "large"


async def test_destinations_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DESTINATIONS_KEPT", 10)
    flight = Flight()
    flight.enter("busy", 1)
    for n in range(30):
        flight.know(f"well{n}")
    assert len(flight.limiter._destinations) <= 10
    assert "busy" in flight.limiter._destinations


DEAD, FINE = EndpointKey("a/dead"), EndpointKey("a/fine")


def enter(flight: Flight, endpoint: EndpointKey, *names: str) -> None:
    for name in names:
        assert flight.limiter.enter("a", name, endpoint=endpoint) is None


def names(kind: str, first: int, last: int) -> list[str]:
    return [f"{kind}{n}" for n in range(first, last + 1)]


async def test_a_path_that_hangs_leaves_its_host_to_the_others() -> None:
    flight = Flight(concurrency=80, per_destination=32)
    flight.know("a")
    enter(flight, DEAD, *names("dead", 1, 12))
    assert flight.begun == names("dead", 1, 8)
    assert flight.limiter.waiting == 4
    enter(flight, FINE, "fine0", "fine1")
    flight.end("fine0")
    enter(flight, FINE, *names("fine", 2, 24))
    assert flight.begun[8:] == names("fine", 0, 24)
    # After a time-out one goes at a time, as the others are answered.
    flight.skipped += 15
    flight.end("fine1")
    for name in names("dead", 1, 7):
        flight.time_out(name)
    assert len(flight.begun) == 33
    flight.time_out("dead8")
    assert flight.begun[33:] == ["dead9"]
    flight.end("dead9")
    assert flight.begun[34:] == names("dead", 10, 12)
    for entry, _ in flight.going[:]:
        flight.end(entry.delivery)
    assert (flight.limiter.in_flight, flight.limiter.waiting, flight.limiter.held_bytes) == (0, 0, 0)


async def test_where_few_may_be_in_flight_an_endpoint_has_all_of_them() -> None:
    flight = Flight(per_destination=4)
    flight.know("a")
    enter(flight, DEAD, *names("dead", 1, 6))
    assert flight.begun == names("dead", 1, 4)


async def test_what_is_parked_goes_back_when_there_is_no_room_and_comes_no_more() -> None:
    flight = Flight(concurrency=40, per_destination=32, slow=10)
    flight.know("a")
    enter(flight, DEAD, *names("dead", 1, 18))
    assert not flight.limiter.room.is_set()
    await cut(flight)
    assert [delivery for delivery, _ in flight.back] == names("dead", 9, 18)
    assert (flight.limiter.waiting, flight.limiter.room.is_set()) == (0, True)
    flight.skipped += 3 * SLOW_SECONDS
    flight.limiter.enter("b", "b0")
    flight.enter("b", 5, start=1)
    retry_in = flight.limiter.enter("a", "dead19", endpoint=DEAD)
    assert retry_in is not None
    assert retry_in >= 2 * 3 * SLOW_SECONDS
    enter(flight, FINE, "fine")
    assert flight.begun[-1] == "fine"


async def test_clear_gives_back_what_is_parked_too() -> None:
    flight = Flight(concurrency=40, per_destination=32)
    flight.know("a")
    enter(flight, DEAD, *names("dead", 1, 10))
    assert flight.begun == names("dead", 1, 8)
    assert flight.limiter.clear() == ["dead9", "dead10"]
    for name in names("dead", 1, 8):
        flight.end(name)
    assert (len(flight.begun), flight.limiter.waiting) == (8, 0)


async def test_what_is_parked_at_an_endpoint_goes_back_with_its_line() -> None:
    flight = Flight(concurrency=40, per_destination=32)
    flight.know("a")
    enter(flight, DEAD, *names("dead", 1, 9))
    endpoint = flight.going[0][0].endpoint
    flight.limiter.send_back(7.0, endpoint.destination, of=endpoint)
    assert flight.back == [("dead9", 7.0)]
    assert flight.limiter.waiting == 0


async def test_lines_that_went_back_leave_their_turn_to_those_that_still_wait() -> None:
    flight = Flight(slow=4)
    for n in range(9):
        flight.enter(f"bad{n}", 1)
    assert flight.begun == ["bad00", "bad10", "bad20"]
    for n in range(3, 8):
        [entry] = flight.limiter._destinations[f"bad{n}"].line
        flight.limiter.send_back(1.0, entry.endpoint.destination)
    flight.end("bad00")
    assert flight.begun[3:] == ["bad80"]


async def test_lines_where_something_may_hang_take_no_room_from_the_others() -> None:
    flight = Flight(concurrency=10, slow=100)
    flight.know("good")
    flight.enter("new", 30)
    assert flight.limiter.room.is_set()
    flight.enter("good", 13)
    assert flight.limiter.room.is_set()
    flight.enter("good", 1, start=13)
    assert not flight.limiter.room.is_set()
    await asyncio.sleep(0.3)
    # It is the good one that has taken the room.
    assert not [delivery for delivery, _ in flight.back if delivery.startswith("new")]
    flight.end("new0")
    assert flight.limiter._lines.apart == 0
    assert flight.limiter.clear()
    assert (flight.limiter.waiting, flight.limiter._lines.apart) == (0, 0)


async def test_where_the_first_path_hangs_another_is_tried() -> None:
    flight = Flight(concurrency=40, per_destination=32)
    enter(flight, DEAD, *names("dead", 1, 3))
    enter(flight, FINE, *names("fine", 1, 3))
    assert flight.begun == ["dead1", "fine1"]
    flight.end("fine1")
    assert sorted(flight.begun[2:4]) == ["fine2", "fine3"]


async def test_not_all_paths_of_a_host_that_hangs_are_tried() -> None:
    flight = Flight(concurrency=40, per_destination=32)
    for n in range(6):
        enter(flight, EndpointKey(f"a/{n}"), f"m{n}")
    assert flight.begun == ["m0", "m1", "m2", "m3"]
    flight.skipped += 15
    flight.time_out("m2")
    assert flight.begun[4:] == ["m4"]


async def test_what_an_endpoint_may_have_in_an_hour_waits_or_comes_again_and_others_go() -> None:
    flight = Flight(concurrency=100, per_destination=50)
    flight.skipped += 3600
    entered = [flight.limiter.enter("mail", f"m{n}", per_hour=100) for n in range(13)]
    # A tenth goes at once, one waits in line, the others come again.
    assert entered[:11] == [None] * 11
    assert all(wait is not None and wait > 10 for wait in entered[11:])
    destination, _ = flight.limiter.find("mail", EndpointKey("mail"))
    assert destination is not None
    assert (destination.paced, flight.limiter.waiting + flight.limiter.in_flight) == (1, 11)
    assert flight.limiter.enter("other", "free") is None
    assert flight.begun[-1] == "free"
    [listed] = flight.limiter.paces.listed()
    assert listed.name == "mail"
    assert flight.limiter.paces.shared


async def test_it_is_shared_by_the_consumers_that_report_and_may_be_lifted() -> None:
    flight = Flight(concurrency=100, per_destination=50)
    flight.limiter.enter("mail", "first", per_hour=100)
    [paced] = flight.limiter.paces.listed()
    flight.limiter.paces.hear({}, 4)
    [shared] = flight.limiter.paces.listed()
    assert shared.rate == pytest.approx(paced.rate / 4)
    assert flight.limiter.enter("mail", "second") is None
    destination, _ = flight.limiter.find("mail", EndpointKey("mail"))
    assert destination is not None
    assert (destination.paced, flight.limiter.waiting + flight.limiter.in_flight) == (0, 2)
    assert flight.limiter.paces.listed() == []
