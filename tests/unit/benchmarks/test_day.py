"""benchmarks/simulation/: nothing is lost or counted twice, the same seed gives the same day, and the policy is ours"""

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

import msgspec
import pytest

from benchmarks import simulate
from benchmarks.simulation import refusing
from benchmarks.simulation.day import Day, Plan
from benchmarks.simulation.day import simulate as run
from benchmarks.simulation.refusing import Case
from benchmarks.simulation.summary import Whose, summarize
from benchmarks.simulation.traffic import HOUR, MINUTE
from consumers import outcomes
from consumers.breaker import Breaker
from consumers.limiter import DestinationLimiter
from tidings.domain.retry import RetryPolicy
from tidings.settings import Settings

PLAN = Plan(messages=10_000_000, weight=2_500, consumers=100)
"""4,000 simulated messages."""


@pytest.fixture(scope="module")
def day() -> Day:
    return run(PLAN)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("headroom", [1.05, 2.0])
def test_every_message_ends_once(seed: int, headroom: float) -> None:
    # The books themselves raise where one ends twice.
    day = run(msgspec.structs.replace(PLAN, seed=seed, headroom=headroom, messages=2_500_000))
    assert day.books.everything_ended
    assert sum(day.books.ends.values()) == day.books.handed_in == 1_000
    assert len(day.books.sent) == day.books.ends["sent"]


def test_so_it_does_at_full_resolution() -> None:
    # A message is a message: batches of a hundred, and several destinations in each.
    day = run(Plan(messages=10_000, weight=1, cells=2, consumers=1))
    assert sum(day.books.ends.values()) == day.books.handed_in == 10_000
    assert day.books.duplicates <= day.in_flight_at_loss


def test_no_message_is_tried_more_often_than_it_may(day: Day) -> None:
    assert max(sent.message.delivery.tries for sent in day.books.sent) <= 5
    assert day.books.tries >= len(day.books.sent)


def test_nothing_goes_before_its_time(day: Day) -> None:
    assert min(sent.lateness for sent in day.books.sent) > 0


def test_the_same_seed_gives_the_same_day(day: Day) -> None:
    again, other = run(PLAN), run(msgspec.structs.replace(PLAN, seed=2))

    def said(of: Day) -> list[tuple[int, float]]:
        return [(sent.message.number, sent.lateness) for sent in of.books.sent]

    assert said(again) == said(day)
    assert again.books.backlogs == day.books.backlogs
    assert said(other) != said(day)


def test_what_was_in_the_lost_cell_waits_and_the_others_take_over(day: Day) -> None:
    assert PLAN.lost_at == 12 * HOUR
    assert day.caught_up_at is not None
    assert day.caught_up_at > 13 * HOUR
    held_up = [sent for sent in day.books.sent if sent.message.held_up and sent.message.wanted_at < 13 * HOUR]
    assert held_up
    assert min(sent.message.wanted_at + sent.lateness for sent in held_up) > 13 * HOUR
    taken_over = [
        sent
        for sent in day.books.sent
        if PLAN.lost_at <= sent.message.wanted_at < day.caught_up_at
        and not sent.message.held_up
        and not sent.message.kind.hours
        and day.routing.home(sent.message.user) == day.lost
    ]
    assert taken_over
    assert sorted(sent.lateness for sent in taken_over)[len(taken_over) // 2] < 10 * MINUTE
    assert day.books.ends["expired"] > 0, "reminders that are worth nothing after an hour"


def test_without_a_loss_nobody_is_held_up() -> None:
    day = run(msgspec.structs.replace(PLAN, lost_at=None))
    assert not any(sent.message.held_up for sent in day.books.sent)
    assert day.books.duplicates == 0
    assert {whose for _, whose in summarize(day).lateness} == {Whose.REST}


def test_more_headroom_is_over_sooner(day: Day) -> None:
    roomier = run(msgspec.structs.replace(PLAN, headroom=4.0))
    assert roomier.caught_up_at is not None
    assert day.caught_up_at is not None
    assert roomier.caught_up_at < day.caught_up_at


POLICY: list[tuple[Any, str]] = [
    (DestinationLimiter, "enter"),
    (DestinationLimiter, "leave"),
    (DestinationLimiter, "clear_line"),
    (Breaker, "fail"),
    (Breaker, "succeed"),
    (RetryPolicy, "delay_after"),
    (outcomes, "conclude"),
    (outcomes, "returned"),
    (outcomes, "expired"),
]


def test_the_policy_is_the_one_of_the_consumers(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    for where, name in POLICY:
        monkeypatch.setattr(where, name, counted(calls, getattr(where, name)))
    run(PLAN)
    refusing.simulate(Case(messages=2_000, rate=20, concurrency=128))
    assert set(calls) == {getattr(where, name).__qualname__ for where, name in POLICY}


def counted(calls: Counter[str], real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def call(*args: Any, **options: Any) -> Any:
        calls[real.__qualname__] += 1
        return real(*args, **options)

    return call


def test_the_places_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    most: Counter[str] = Counter()
    leave = DestinationLimiter.leave

    def observe(self: DestinationLimiter[Any], entry: Any) -> None:
        most["fast"] = max(most["fast"], self.in_flight - self.slow)
        most["one destination"] = max(most["one destination"], entry.endpoint.destination.in_flight)
        leave(self, entry)

    monkeypatch.setattr(DestinationLimiter, "leave", observe)
    # So much headroom that nothing but the concurrency holds the campaigns back.
    run(msgspec.structs.replace(PLAN, headroom=50.0))
    settings = Settings()
    assert most["one destination"] == -(-PLAN.consumers * settings.in_flight_per_destination // PLAN.weight)
    assert most["fast"] <= -(-PLAN.consumers * settings.in_flight // PLAN.weight)


def test_the_table_is_whole(day: Day) -> None:
    assert day.plan.headroom == simulate.CLOSE_LOOK
    [without_a_loss] = simulate.plans(PLAN, [])
    days = [summarize(run(without_a_loss)), summarize(day)]
    refusals = refusing.simulate(Case(messages=100, rate=100, concurrency=8))
    text = "\n".join(simulate.render(days, [refusals]))
    assert text.startswith("10,000,000 messages over 4 cells")
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
