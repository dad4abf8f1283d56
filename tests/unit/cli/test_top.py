"""How `tidings top` looks, at any width and whatever is unknown."""

import io

import msgspec
import pytest
from rich.console import Console

from api.openapi.examples import OVERVIEW
from api.overview.schemas import Health, Overview
from tidings.cli.top import Past, away, view
from tidings.domain.states import HeldReason
from tidings.observability.reports import Held, HeldReport


def drawn(overview: Overview, *, rates: list[float] | None = None, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(view(overview, rates or [], "http://here"))
    return capture.get()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_figure_is_cut_off(width: int) -> None:
    shown = drawn(OVERVIEW, width=width)
    assert "…" not in shown
    assert all(len(line) <= width for line in shown.splitlines())
    for part in ("412.6", "1,830", "12 ms/48 ms", "21 ms/190 ms", "64/512", "all is well"):
        assert part in shown, shown


def test_what_is_amiss_comes_first() -> None:
    [consumer] = OVERVIEW.consumers
    ill = msgspec.structs.replace(
        OVERVIEW,
        checks={**OVERVIEW.checks, "producer": "none is alive"},
        consumers=[msgspec.structs.replace(consumer, health=Health.SILENT)],
    )
    shown = drawn(ill, width=120)
    assert "producer none is alive" in shown.splitlines()[0]
    assert "silent" in shown
    assert "webhook example.com 8 s" in shown
    assert "limited by 429 to  webhook https://example.org/orders 4.85/s" in shown


def test_what_nobody_can_tell_is_a_question_mark() -> None:
    unknown = {"waiting": None, "due": None, "processing": None}
    totals = msgspec.structs.replace(OVERVIEW.totals, **unknown, in_flight=None, flow=None)
    queues = [msgspec.structs.replace(queue, **unknown) for queue in OVERVIEW.queues]
    shown = drawn(msgspec.structs.replace(OVERVIEW, totals=totals, queues=queues, channels=[], consumers=[]))
    assert shown.count("?") == 3 + 3 * len(queues)


def test_a_count_that_ended_early_says_so() -> None:
    totals = msgspec.structs.replace(OVERVIEW.totals, waiting=100_000, waiting_capped=True)
    assert "100,000+" in drawn(msgspec.structs.replace(OVERVIEW, totals=totals))


def test_bars_are_as_high_as_the_rates_and_as_many_as_fit() -> None:
    assert "▁▂▅█" in drawn(OVERVIEW, rates=[0, 1, 4, 7])
    assert "▁▁▁" in drawn(OVERVIEW, rates=[0, 0, 0])
    assert max(len(line) for line in drawn(OVERVIEW, rates=[1.0] * 500).splitlines()) == 80


def test_terminals_are_not_told_what_to_do_by_names() -> None:
    queue = msgspec.structs.replace(OVERVIEW.queues[0], name="[red]x\x1b[31m")
    assert "[red]x[31m" in drawn(msgspec.structs.replace(OVERVIEW, queues=[queue]), width=120)


def test_the_last_view_stays_while_the_api_is_away() -> None:
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(away(view(OVERVIEW, [], "http://here"), "no answer"))
    assert "no answer; trying again" in capture.get()
    assert "newsletter" in capture.get()


def test_the_past_is_put_together_from_its_last_steps() -> None:
    history = OVERVIEW.history
    past = Past()
    past.learn(msgspec.structs.replace(history, at=[0, 5, 10], sent=[10, 20, 30]))
    past.learn(msgspec.structs.replace(history, at=[10, 15], sent=[35, 5]))
    # As long as it was at first; the step that is under way is left out.
    assert past.rates == [4.0, 7.0]
    past.learn(msgspec.structs.replace(history, at=[15, 20], sent=[50, 0]))
    assert past.rates == [7.0, 10.0]


def test_what_is_held_is_counted_and_a_held_gateway_comes_first() -> None:
    shown = drawn(OVERVIEW, width=120)
    assert "all is well" in shown.splitlines()[0]
    assert "120 endpoint disabled (14 min)" in shown
    assert "webhook https://example.com/hooks/old" in shown
    held = HeldReport(messages=[Held(HeldReason.GATEWAY, 2000, 61.0)])
    shown = drawn(msgspec.structs.replace(OVERVIEW, held=held), width=120)
    assert "gateway held, 2,000 messages wait" in shown.splitlines()[0]
    assert "2,000 gateway (61.0 s)" in shown
    assert "held" not in drawn(msgspec.structs.replace(OVERVIEW, held=HeldReport()))
    assert "held" not in drawn(msgspec.structs.replace(OVERVIEW, held=None))
