"""Runs figures round by round, and prints what they gave."""

import argparse
import asyncio
import shlex
import signal
import sys
import time
from collections.abc import Sequence

import psutil
import uvloop

from benchmarks.rig import report
from benchmarks.rig.figure import Figure, Numbers, Result, Round
from benchmarks.rig.machine import Machine, make_folder, remove_folder
from benchmarks.rig.meters import cpu_seconds


def main(*figures: Figure) -> None:
    """The command line of a figure, or of all of them. An exception where a figure cannot be measured."""
    parser = argparse.ArgumentParser(description="; ".join(figure.title for figure in figures))
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is taken")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small counts, one round, and no reference that differs by a number: does it still work?",
    )
    parser.add_argument(
        "--large",
        action="store_true",
        help="figure 18 to 10⁷ rows (ten minutes, 10 GB), 22 to 10⁶ messages",
    )
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--only", type=int, nargs="*", metavar="FIGURE", help="numbers of figures")
    asked = parser.parse_args()
    chosen = [figure for figure in figures if not asked.only or figure.number in asked.only]
    rounds = 1 if asked.quick else asked.rounds
    command = shlex.join(["python", "-m", *sys.orig_argv[2:3], *sys.argv[1:]])
    try:
        uvloop.run(
            _main(chosen, rounds=rounds, quick=asked.quick, large=asked.large, write=asked.write, command=command)
        )
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("stopped; nothing is left running")


async def _main(figures: Sequence[Figure], *, rounds: int, quick: bool, large: bool, write: bool, command: str) -> None:
    # A SIGTERM ends everything as a Ctrl-C does: by cancelling, so that the stores stop cleanly.
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    began, busy, ours = time.monotonic(), _busy(), cpu_seconds(psutil.Process())
    results = await measure(figures, rounds=rounds, quick=quick, large=large)
    elapsed = time.monotonic() - began
    others = max(_busy() - busy - (cpu_seconds(psutil.Process()) - ours), 0) / (elapsed * (psutil.cpu_count() or 1))
    text = report.render(results, command=command, rounds=rounds, minutes=elapsed / 60, others=others)
    print(text)
    if write:
        report.write(text)


async def measure(figures: Sequence[Figure], *, rounds: int, quick: bool, large: bool = False) -> list[Result]:
    """All rounds of all figures on one machine; every round runs through the figures in order."""
    numbers: dict[int, list[Numbers]] = {figure.number: [] for figure in figures}
    folder = make_folder()
    try:
        async with Machine(folder) as machine:
            for index in range(rounds):
                current = Round(machine, quick=quick, large=large)
                for figure in figures:
                    if figure.rounds is None or index < figure.rounds:
                        began = time.monotonic()
                        measured = await figure.measure(current)
                        numbers[figure.number].append(measured)
                        _say(figure, index + 1, measured, time.monotonic() - began)
    finally:
        await remove_folder(folder)
    return [Result(figure, numbers[figure.number]) for figure in figures]


def _say(figure: Figure, number: int, measured: Numbers, seconds: float) -> None:
    said = ", ".join(f"{name} {value:.6g}" for name, value in measured.items())
    print(f"round {number}, figure {figure.number}, {seconds:.0f} s: {said}", file=sys.stderr, flush=True)


def _busy() -> float:
    """CPU seconds of everybody on the machine, and those that a hypervisor gave to other machines."""
    times = psutil.cpu_times()._asdict()
    return float(sum(times.get(name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal")))
