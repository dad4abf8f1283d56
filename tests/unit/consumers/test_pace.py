"""consumers/pace.py before simulated receivers: what goes through, and how much is refused."""

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from itertools import count, pairwise
from typing import Protocol

import pytest

from consumers.destination import GROWTH
from consumers.pace import FIRST_RATE, FORGOTTEN_SECONDS, LONGEST_PAUSE, WATCH_SECONDS, Pace

ROUND_TRIP = 0.005


class Receiver(Protocol):
    def refuses(self, now: float) -> bool: ...

    def retry_after(self, now: float) -> float | None: ...


class Limited:
    """Never refuses; the base of those that do."""

    def __init__(self, retry_after: float | None = None) -> None:
        self._retry_after = retry_after

    def refuses(self, now: float) -> bool:
        raise NotImplementedError

    def retry_after(self, now: float) -> float | None:
        return self._retry_after


class FixedWindow(Limited):
    """So many in each window; `exact`: says when the next begins."""

    def __init__(self, most: int, window: float, retry_after: float | None = None, *, exact: bool = False) -> None:
        super().__init__(retry_after)
        self._most, self._window, self._exact = most, window, exact
        self._taken: Counter[int] = Counter()

    def refuses(self, now: float) -> bool:
        self._taken[int(now // self._window)] += 1
        return self._taken[int(now // self._window)] > self._most

    def retry_after(self, now: float) -> float | None:
        return (now // self._window + 1) * self._window - now if self._exact else self._retry_after


class SlidingWindow(Limited):
    """So many in the last `window` seconds; those that it refuses count too where `severe`."""

    def __init__(self, most: int, window: float, retry_after: float | None = None, *, severe: bool = False) -> None:
        super().__init__(retry_after)
        self._most, self._window, self._severe = most, window, severe
        self._lately: deque[float] = deque()

    def refuses(self, now: float) -> bool:
        while self._lately and now - self._lately[0] >= self._window:
            self._lately.popleft()
        refused = len(self._lately) >= self._most
        if not refused or self._severe:
            self._lately.append(now)
        return refused


class TokenBucket(Limited):
    def __init__(self, rate: float, holds: float, retry_after: float | None = None) -> None:
        super().__init__(retry_after)
        self._rate, self._holds, self._tokens, self._at = rate, holds, holds, 0.0

    def refuses(self, now: float) -> bool:
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self._holds)
        self._at = now
        if self._tokens < 1:
            return True
        self._tokens -= 1
        return False


class Sender:
    """One consumer: what may be in flight grows with each answer, until its pace limits it."""

    def __init__(self) -> None:
        self.pace: Pace | None = None
        self.in_flight = 0
        self.most = 1
        self.ended = 0
        self.timer = False


class Simulation:
    """Senders that always have something to send, in simulated time, up to a number of accepted messages."""

    def __init__(self, receiver: Receiver, *, senders: int = 1, seed: int = 1) -> None:
        self.now = 0.0
        self.accepted = self.refused = 0
        self.senders = [Sender() for _ in range(senders)]
        self._receiver = receiver
        self._random = random.Random(seed)
        self._number = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def run(self, *, until: Callable[[], bool]) -> None:
        for sender in self.senders:
            self._send(sender)
        while not until():
            self.now, _, event = heapq.heappop(self._events)
            event()

    def _in(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._number), event))

    def _send(self, sender: Sender) -> None:
        while sender.in_flight < sender.most:
            if sender.pace is not None:
                if wait := sender.pace.wait(self.now):
                    if not sender.timer:
                        sender.timer = True
                        self._in(wait + self._random.random() / 1000, lambda: self._on_time(sender))
                    return
                sender.pace.go(self.now)
            sender.in_flight += 1
            self._in(ROUND_TRIP * self._random.uniform(0.3, 0.7), partial(self._arrive, sender, self.now))

    def _on_time(self, sender: Sender) -> None:
        sender.timer = False
        self._send(sender)

    def _arrive(self, sender: Sender, began: float) -> None:
        delay = None
        refused = self._receiver.refuses(self.now)
        if refused:
            delay = self._receiver.retry_after(self.now)
        self._in(ROUND_TRIP * self._random.uniform(0.3, 0.7), lambda: self._end(sender, began, refused, delay))

    def _end(self, sender: Sender, began: float, refused: bool, delay: float | None) -> None:
        sender.in_flight -= 1
        sender.ended += 1
        if not refused:
            self.accepted += 1
            sender.most = min(sender.most + GROWTH, 128)
            if sender.pace is not None:
                sender.pace.accept(self.now)
        else:
            self.refused += 1
            if sender.pace is None or sender.pace.over(self.now):
                sender.pace = Pace(self.now, sender.ended / max(self.now, 1.0))
            sender.pace.refuse(self.now, began, delay)
        self._send(sender)


RECEIVERS: dict[str, tuple[Callable[[], Receiver], float, int]] = {
    "5 a second, fixed window": (lambda: FixedWindow(5, 1, 1), 5, 1500),
    "5 a second, fixed window, no Retry-After": (lambda: FixedWindow(5, 1), 5, 1500),
    "5 a second, sliding window": (lambda: SlidingWindow(5, 1, 1), 5, 1500),
    "5 a second, sliding window, no Retry-After": (lambda: SlidingWindow(5, 1), 5, 1500),
    "5 a second, token bucket": (lambda: TokenBucket(5, 5, 1), 5, 1500),
    "100 a second, token bucket, no Retry-After": (lambda: TokenBucket(100, 100), 100, 20_000),
    "500 a second, fixed window": (lambda: FixedWindow(500, 1, 1), 500, 60_000),
}


@pytest.mark.parametrize("senders", [1, 2])
@pytest.mark.parametrize("name", RECEIVERS)
def test_what_a_receiver_allows_goes_through_and_little_is_refused(name: str, senders: int) -> None:
    receiver, rate, messages = RECEIVERS[name]
    simulation = Simulation(receiver(), senders=senders)
    simulation.run(until=lambda: simulation.accepted >= messages)
    assert simulation.accepted / simulation.now >= 0.9 * rate
    assert simulation.refused <= 0.02 * messages


ODD: dict[str, tuple[Callable[[], Receiver], float, int, float, float]] = {
    # Whatever is in flight when a window is full is refused at once: twice as much as was accepted before.
    "60 a minute, exact": (lambda: FixedWindow(60, 60, exact=True), 1, 900, 0.95, 0.17),
    "60 a minute, Retry-After: 60": (lambda: FixedWindow(60, 60, 60), 1, 900, 0.75, 0.17),
    "60 a minute, Retry-After: 1": (lambda: SlidingWindow(60, 60, 1), 1, 900, 0.75, 0.19),
    "60 a minute, no Retry-After": (lambda: FixedWindow(60, 60), 1, 900, 0.6, 0.2),
    "refusals count": (lambda: SlidingWindow(5, 1, 1, severe=True), 5, 1500, 0.85, 0.02),
    "a bucket of ten seconds": (lambda: TokenBucket(5, 50, 1), 5, 1500, 0.95, 0.08),
    "one in five seconds": (lambda: TokenBucket(0.2, 1, 5), 0.2, 200, 0.75, 0.25),
}


@pytest.mark.parametrize("senders", [1, 2])
@pytest.mark.parametrize("name", ODD)
def test_odd_receivers_are_met_too(name: str, senders: int) -> None:
    receiver, rate, messages, share, refused = ODD[name]
    simulation = Simulation(receiver(), senders=senders)
    simulation.run(until=lambda: simulation.accepted >= messages)
    assert simulation.accepted / simulation.now >= share * rate
    assert simulation.refused <= refused * messages


def test_four_senders_do_not_send_four_times_as_much() -> None:
    simulation = Simulation(FixedWindow(20, 1, 1), senders=4)
    simulation.run(until=lambda: simulation.accepted >= 4000)
    assert simulation.accepted / simulation.now >= 0.9 * 20
    assert simulation.refused <= 0.03 * 4000


def test_a_sender_takes_the_share_of_one_that_is_gone() -> None:
    simulation = Simulation(FixedWindow(50, 1, 1), senders=2)
    simulation.run(until=lambda: simulation.now >= 120)
    gone, _ = simulation.senders
    gone.most = 0
    simulation.run(until=lambda: simulation.now >= 300)
    before = simulation.accepted
    simulation.run(until=lambda: simulation.now >= 360)
    assert (simulation.accepted - before) / 60 >= 0.9 * 50


def limited(now: float = 0.0, *, answered: float = 10.0, delay: float | None = None) -> Pace:
    pace = Pace(now, answered)
    assert not pace.refuse(now, now, delay)
    assert pace.refuse(now, now, delay)
    return pace


def drive(pace: Pace, now: float, seconds: float) -> tuple[float, int]:
    """Sends and has accepted what may go; returns the time then, and how many went."""
    until, went = now + seconds, 0
    while (now := now + pace.wait(now)) < until:
        pace.go(now)
        pace.accept(now)
        went += 1
    return until, went


def test_one_refusal_limits_nothing_whatever_it_asks_for() -> None:
    pace = Pace(0.0, 0.0)
    assert not pace.refuse(0.0, 0.0, 3600)
    assert (pace.limits, pace.wait(0.0)) == (False, 0.0)
    assert not pace.over(WATCH_SECONDS)
    assert pace.over(WATCH_SECONDS + 0.1)


def test_a_few_among_many_limit_nothing() -> None:
    pace = Pace(0.0, 1000.0)
    assert [pace.refuse(0.0, 0.0, 1) for _ in range(19)] == [False] * 19
    # 2 %, which is no longer few.
    for _ in range(3):
        pace.refuse(0.0, 0.0, 1)
    assert pace.limits


def test_those_in_flight_together_count_once() -> None:
    pace = limited(10.0)
    rate = pace.rate
    assert [pace.refuse(10.5, 9.0, None) for _ in range(100)] == [False] * 100
    assert pace.rate == rate
    assert pace.refuse(10.5, 10.2, None)
    assert pace.rate < rate


def test_one_after_another_evenly_spaced() -> None:
    pace = limited(answered=5.0)
    now, went = pace.wait(0.0), []
    for _ in range(10):
        now += pace.wait(now)
        went.append(now)
        pace.go(now)
    gaps = [later - sooner for sooner, later in pairwise(went)]
    assert min(gaps) > 0.15
    # What could not be sent while nothing was there is not made up for.
    now += 60
    pace.go(now)
    assert pace.wait(now) > 0.15


@pytest.mark.parametrize(("asked", "seconds"), [(1.0, 1.0), (60.0, 60.0), (3600.0, 3600.0), (1e9, LONGEST_PAUSE)])
def test_a_pause_is_kept_that_the_receiver_asks_for(asked: float, seconds: float) -> None:
    pace = limited(delay=asked)
    assert (pace.paused(0.0), pace.wait(0.0)) == (seconds, seconds)
    assert not pace.over(seconds - 1)


def test_without_retry_after_refusals_in_vain_pause_longer_and_longer() -> None:
    pace, now, pauses = limited(), 0.0, []
    for _ in range(10):
        now += pace.wait(now)
        pace.go(now)
        pace.refuse(now, now, None)
        pauses.append(pace.paused(now))
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 64, 120, 120, 120])


def test_little_traffic_says_little_about_a_ceiling() -> None:
    assert limited(answered=0.01).rate > FIRST_RATE / 2


def test_it_heals() -> None:
    """By time in use: what was too low is found out soon after the first refusals, and soon plays no part."""
    pace = limited(answered=10.0)
    now, went = drive(pace, 0.0, 4.0)
    assert went >= 4 * 9
    now, _ = drive(pace, now, 8.0)
    assert pace.rate > 2 * 10
    drive(pace, now, 10.0)
    assert pace.rate > 10 * 10


def test_it_is_forgotten_when_it_no_longer_limits() -> None:
    pace = limited(answered=10.0)
    pace.wait(0.0)
    assert not pace.over(FORGOTTEN_SECONDS)
    assert pace.over(FORGOTTEN_SECONDS + 1)


def test_400_messages_of_one_second_are_hardly_slower_for_a_single_refusal() -> None:
    """One sender with 128 in flight, and a receiver that refuses the first."""
    pace: Pace | None = None
    now, left, waiting = 0.0, 400, [(1.0, n > 0) for n in range(128)]
    left -= 128
    while waiting:
        now, well = heapq.heappop(waiting)
        if not well:
            pace = Pace(now, 0.0)
            assert not pace.refuse(now, 0.0, 1)
        elif pace is not None:
            pace.accept(now)
        assert pace is None or pace.wait(now) == 0
        if left:
            left -= 1
            heapq.heappush(waiting, (now + 1.0, True))
    assert now == math.ceil(400 / 128)
