"""The Markdown of a run: the table of goals, every number behind it, and the machine that it was taken on."""

import os
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil

from benchmarks.rig import written
from benchmarks.rig.figure import Goal, Result

README: Final = Path(__file__).parents[1] / "README.md"
PACKAGES: Final = ("aiohttp", "arq", "asyncpg", "pgqueuer", "redis", "uvloop")


def render(results: Sequence[Result], *, command: str, rounds: int, minutes: float, others: float) -> str:
    """All of it. `others` is the share of the machine's CPU time that went to processes that are not ours."""
    lines = [
        *_machine(command, rounds, minutes, others),
        "",
        "| # | figure | measured | reference | value | to reach | |",
        "|---|---|---:|---:|---:|---:|---|",
        *(_goal(result, goal) for result in results for goal in result.figure.goals),
        "",
        "Every number: the median, and the lowest and highest round.",
        "",
        "| # | number | median | from | to |",
        "|---|---|---:|---:|---:|",
        *(_number(result, name, values) for result in results for name, values in result.numbers().items()),
    ]
    return "\n".join(lines)


def write(text: str) -> None:
    """Puts the text between the markers of the README."""
    written.put(README, "make bench", text)


def _machine(command: str, rounds: int, minutes: float, others: float) -> Iterable[str]:
    memory = psutil.virtual_memory().total / 2**30
    yield f"`{command}` on {date.today().isoformat()}, medians of {rounds}, {minutes:.0f} minutes."  # noqa: DTZ011
    yield ""
    cores = len(os.sched_getaffinity(0))
    yield f"- {cores} cores of {_cpu_model()}, {memory:.0f} GiB, {platform.system()} {platform.release()}"
    yield f"- Python {platform.python_version()}, PostgreSQL 18 and Redis as embedded; {', '.join(_versions())}"
    yield f"- other processes took {others:.0%} of the CPU time meanwhile"


def _goal(result: Result, goal: Goal) -> str:
    value = result.value(goal)
    if value is None:
        said, verdict = "", "not measured"
    else:
        said, verdict = _round(value), "yes" if goal.reached(value) else "**no**"
    reference = "" if goal.reference is None else _named(result, goal.reference)
    measured = _named(result, goal.measured)
    return f"| {result.figure.number} | {goal.what} | {measured} | {reference} | {said} | {goal.limit} | {verdict} |"


def _named(result: Result, name: str) -> str:
    median = result.median(name)
    return "" if median is None else f"{_round(median)} {name.rpartition('(')[2].rstrip(')')}"


def _number(result: Result, name: str, values: Sequence[float]) -> str:
    median, lowest, highest = statistics.median(values), min(values), max(values)
    return f"| {result.figure.number} | {name} | {_round(median)} | {_round(lowest)} | {_round(highest)} |"


def _round(value: float) -> str:
    """Three digits, no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _cpu_model() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions() -> Iterable[str]:
    for package in PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
