"""`python -m benchmarks.simulate`: 10⁸ messages a day over several cells, with one cell lost at noon.

The day runs once for each headroom, each in a process of its own: how much more than its share of the busiest hour a
cell can work through. Beside it stands a backlog for a gateway that refuses what comes too fast.
`benchmarks/simulation/` says what is real in it, and what is not. Prints Markdown, the same for the same seed;
`--write` puts it into docs/scale.md too.
"""

import argparse
import gc
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import structlog

from benchmarks.rig import written
from benchmarks.simulation import refusing
from benchmarks.simulation.day import Plan, simulate
from benchmarks.simulation.refusing import SECONDS, Case, Refusals
from benchmarks.simulation.summary import NOON, Lateness, Summary, Whose, summarize
from benchmarks.simulation.traffic import HOUR, KINDS, MINUTE, busiest_rate

HEADROOMS: Final = (1.2, 1.5, 2.0, 4.0)
CONCURRENCIES: Final = (128, 60, 30, 15)
CLOSE_LOOK: Final = 1.5
"""The headroom whose day is shown in detail."""
LATER: Final = 18 * HOUR
DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "scale.md"


def plans(plan: Plan, headrooms: Sequence[float]) -> list[Plan]:
    """One without a loss first, then one with it for each headroom."""
    changed = msgspec.structs.replace
    return [
        changed(plan, headroom=CLOSE_LOOK, lost_at=None),
        *(changed(plan, headroom=headroom) for headroom in headrooms),
    ]


def day(plan: Plan) -> Summary:
    _get_ready()
    return summarize(simulate(plan))


def refusal(case: Case) -> Refusals:
    _get_ready()
    return refusing.simulate(case)


def _get_ready() -> None:
    # DestinationLimiter and breakers log what they decide; a day of it is no reading.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    # A process for this alone: nothing that it leaves is worth the tenth of its time that looking for it takes.
    gc.disable()


def render(days: Sequence[Summary], refusals: Sequence[Refusals]) -> Iterator[str]:
    """The Markdown of `plans`, and of the gateway that refuses, line by line."""
    plan = days[0].plan
    yield (
        f"{plan.messages:,} messages over {plan.cells} cells: {busiest_rate(plan.messages):,.0f} a second in the"
        f" busiest hour, and {_campaign(plan):,} more at 9, 12 and 18 o'clock sharp. One cell is lost at noon and comes"
        f" back after {plan.back_after / MINUTE:.0f} minutes. Seed {plan.seed}; one simulated message stands for"
        f" {plan.weight}."
    )
    yield ""
    yield from _by_headroom(days)
    close = next(each for each in days if each.plan.lost_at is not None and each.plan.headroom == CLOSE_LOOK)
    yield ""
    yield f"Lateness by kind at a headroom of {CLOSE_LOOK}, as the median, the 99th percentile and the longest:"
    yield ""
    yield from _by_kind(close)
    yield ""
    yield f"How many were due and waited, at a headroom of {CLOSE_LOOK}:"
    yield ""
    yield from _over_time(close)
    case = refusals[0].case
    yield ""
    yield (
        f"{case.messages:,} messages due at once, for a gateway that takes {SECONDS} s for each, {case.rate} a second,"
        " and answers 429 to the rest; one consumer:"
    )
    yield ""
    yield from _by_concurrency(refusals)


def _campaign(plan: Plan) -> int:
    return sum(plan.messages * kind.percent // 100 // len(kind.hours) for kind in KINDS if kind.hours)


def _by_headroom(days: Sequence[Summary]) -> Iterator[str]:
    yield (
        "| headroom | a cell's messages/s | most waiting in the lost cell | in the others | others caught up at"
        " | lost cell caught up at | p99 lateness in the lost cell | taken over | beside | expired | other ends |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|"
    for each in days:
        without = each.plan.lost_at is None
        cells = (
            f"{each.plan.headroom:g}" + (", none lost" if without else ""),
            f"{each.plan.cell_rate:,.0f}",
            "" if without else f"{each.most_waiting(lost=True):,}",
            f"{each.most_waiting(lost=False):,}",
            _time(each.others_caught_up_at),
            _time(each.caught_up_at),
            *(_p99(each, whose) for whose in (Whose.HELD_UP, Whose.TAKEN_OVER)),
            _p99(each, Whose.REST if without else Whose.BESIDE),
            f"{each.ends.get('expired', 0):,}",
            ", ".join(f"{count:,} {name}" for name, count in each.ends.items() if name != "expired"),
        )
        yield f"| {' | '.join(cells)} |"


def _by_kind(summary: Summary) -> Iterator[str]:
    yield f"| kind | {' | '.join(Whose)} |"
    yield "|---|" + "---:|" * len(Whose)
    for kind in KINDS:
        cells = (_said(summary.lateness.get((kind.name, whose))) for whose in Whose)
        yield f"| {kind.name} | {' | '.join(cells)} |"


def _over_time(summary: Summary) -> Iterator[str]:
    yield "| at | in the lost cell | in the others |"
    yield "|---|---:|---:|"
    at = NOON - 5 * MINUTE
    while at < LATER:
        lost, others = summary.waiting(at)
        yield f"| {_time(at)} | {lost:,} | {others:,} |"
        if at > NOON and not lost + others:
            break
        at += 10 * MINUTE


def _by_concurrency(refusals: Sequence[Refusals]) -> Iterator[str]:
    yield "| `IN_FLIGHT_PER_DESTINATION` | sent | exhausted | attempts refused | over after |"
    yield "|---:|---:|---:|---:|---:|"
    for each in refusals:
        sent, exhausted = (each.ends.get(end, 0) for end in ("sent", "exhausted"))
        yield f"| {each.case.concurrency} | {sent:,} | {exhausted:,} | {each.refused:,} | {_seconds(each.seconds)} |"


def _p99(summary: Summary, whose: Whose) -> str:
    lateness = summary.lateness.get(("*", whose))
    return "" if lateness is None else _seconds(lateness.p99)


def _said(lateness: Lateness | None) -> str:
    if lateness is None:
        return ""
    return " / ".join(_seconds(value) for value in (lateness.median, lateness.p99, lateness.longest))


def _seconds(value: float) -> str:
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 2 * MINUTE else f"{value / MINUTE:.0f} min"


def _time(at: float | None) -> str:
    if at is None:
        return ""
    hour, rest = divmod(at, HOUR)
    return f"{hour:02.0f}:{rest // MINUTE:02.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=100_000_000, help="in a day")
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--consumers", type=int, default=8, help="in each cell")
    parser.add_argument("--headroom", type=float, nargs="*", default=HEADROOMS)
    parser.add_argument("--away", type=float, default=60.0, help="minutes until the lost cell is back")
    parser.add_argument("--weight", type=int, default=250, help="messages that a simulated one stands for")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put it into docs/scale.md")
    asked = parser.parse_args()
    plan = Plan(
        messages=asked.messages,
        cells=asked.cells,
        consumers=asked.consumers,
        back_after=asked.away * MINUTE,
        weight=asked.weight,
        seed=asked.seed,
    )
    headrooms = sorted({CLOSE_LOOK, *asked.headroom})
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        days = processes.map(day, plans(plan, headrooms))
        refusals = processes.map(
            refusal, [Case(concurrency=concurrency, seed=plan.seed) for concurrency in CONCURRENCIES]
        )
        text = "\n".join(render(list(days), list(refusals)))
    print(text)
    if asked.write:
        written.put(DOCUMENT, "python -m benchmarks.simulate", text)


if __name__ == "__main__":
    main()
