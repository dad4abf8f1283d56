"""Where the CPU time of one process goes while it works as hard as it can: `python -m benchmarks.profiling consumer`.

Not a figure: the way to the next one. py-spy samples a single consumer or producer that delivers a large backlog, or
the API under 64 clients' POSTs, from outside and with native frames, so that the garbage collector and the kernel show.
Two tables are printed: functions by the samples in which they were on the stack at all, and by those in which they were
at its end. Sampling slows the process down somewhat; shares are right, rates are not.
"""

import argparse
import asyncio
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.intake import CLIENTS, MESSAGE, PATH
from benchmarks.rig import load
from benchmarks.rig.machine import Machine, make_folder, remove_folder
from benchmarks.rig.system import System, system

SECONDS: Final = 6
MESSAGES: Final = 100_000
PER_SECOND: Final = 400
SHOWN: Final = 40
_LINE_NUMBER: Final = re.compile(r":\d+\)$")


async def sample(pid: int, folder: Path) -> list[tuple[list[str], int]]:
    """Stacks, outermost function first, and how often each was seen."""
    file = folder / "stacks"
    spy = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("py-spy"),
        "record",
        *("--pid", str(pid), "--duration", str(SECONDS), "--rate", str(PER_SECOND)),
        *("--native", "--format", "raw", "--output", file),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await spy.wait() != 0:
        raise RuntimeError("py-spy could not sample (it needs the right to trace, as root has)")
    stacks = []
    for line in file.read_text("utf-8").splitlines():
        stack, _, seen = line.rpartition(" ")
        stacks.append(([_LINE_NUMBER.sub(")", frame.strip()) for frame in stack.split(";")], int(seen)))
    return stacks


async def profile(machine: Machine, process: str) -> list[tuple[list[str], int]]:
    """Samples a process at full load."""
    async with system(machine) as running:
        if process == "api":
            api = await running.start_api()
            posting = asyncio.create_task(
                load.post(running.url + PATH, MESSAGE, connections=CLIENTS, count=MESSAGES, folder=machine.folder)
            )
            stacks = await sample(api.ps.pid, machine.folder)
            await posting
            return stacks
        await _deliver(running)
        [child] = running.consumers if process == "consumer" else running.producers
        return await sample(child.ps.pid, machine.folder)


async def _deliver(running: System) -> None:
    await asyncio.gather(running.start_consumers(1), running.start_producer())
    await running.warm_up()
    await running.hold()
    await running.database.put_waiting(MESSAGES)
    await running.release()


def show(stacks: list[tuple[list[str], int]]) -> None:
    """Prints both tables."""
    total = sum(seen for _, seen in stacks)
    anywhere: Counter[str] = Counter()
    at_the_end: Counter[str] = Counter()
    for frames, seen in stacks:
        at_the_end[frames[-1]] += seen
        for frame in set(frames):
            anywhere[frame] += seen
    for title, counted in (("on the stack", anywhere), ("at its end", at_the_end)):
        print(f"\n{title}, of {total} samples")
        for frame, seen in counted.most_common(SHOWN):
            print(f"{seen / total:7.1%}  {frame}")


async def main(process: str) -> None:
    folder = make_folder()
    try:
        async with Machine(folder) as machine:
            show(await profile(machine, process))
    finally:
        await remove_folder(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("process", choices=("api", "consumer", "producer"))
    uvloop.run(main(parser.parse_args().process))
