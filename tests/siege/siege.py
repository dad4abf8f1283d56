"""One siege: the house, the honest clients and the strangers together, and what came of it."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import msgspec

from tests.eventually import eventually
from tests.siege.honest import CLIENTS, Client, Receiver, Result, percentile
from tests.siege.house import ROOT, Memory, house
from tests.siege.strangers import READY

POST_MS: Final = 100.0
LATE_MS: Final = 250.0
"""What is asked of the 99th of a hundred."""
ARRIVE_SECONDS: Final = 60.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a siege."""

    seconds: float
    honest: Result
    memory: dict[str, Memory]
    strangers: dict[str, dict[str, int]]

    @property
    def post_p99_ms(self) -> float:
        return 1000 * percentile(self.honest.post_seconds, 0.99)

    @property
    def late_p99_ms(self) -> float:
        return 1000 * percentile(list(self.honest.late_seconds.values()), 0.99)

    @property
    def failures(self) -> int:
        """Posts and logins of honest clients that were not accepted."""
        posts = sum(count for status, count in self.honest.statuses.items() if status != 201)
        return posts + sum(count for status, count in self.honest.logins.items() if status != 201)

    @property
    def too_large(self) -> list[str]:
        """Processes that were over the memory that they are given."""
        return [kind for kind, memory in self.memory.items() if memory.mib > memory.limit_mib]

    def __str__(self) -> str:
        memory = [f"| {kind} | {each.mib:.0f} | {each.limit_mib:.0f} |" for kind, each in self.memory.items()]
        strangers = [
            f"| {name} | {', '.join(f'{status}: {count}' for status, count in counts.items())} |"
            for name, counts in self.strangers.items()
        ]
        return "\n".join(
            [
                f"A siege of {self.seconds:.0f} s; {CLIENTS} honest clients.",
                "",
                "| honest clients | found | asked |",
                "|---|---|---|",
                f"| posts by status | {dict(sorted(self.honest.statuses.items()))} | 201 |",
                f"| logins by status | {dict(sorted(self.honest.logins.items()))} | 201 |",
                f"| POST, p99 | {self.post_p99_ms:.0f} ms | {POST_MS:.0f} ms |",
                f"| lateness, p99 | {self.late_p99_ms:.0f} ms | {LATE_MS:.0f} ms |",
                f"| not delivered | {len(self.honest.lost)} | 0 |",
                *(f"| refused: {said} | {count} | 0 |" for said, count in self.honest.refusals.items()),
                "",
                "| process | most memory, MiB | limit, MiB |",
                "|---|---|---|",
                *memory,
                "",
                "| attack | answers |",
                "|---|---|",
                *strangers,
            ]
        )


async def besiege(folder: Path, seconds: float) -> Report:
    """Runs one in an empty folder."""
    result = Result()
    async with Receiver(result).serving() as receiver, house(folder) as besieged:
        began = asyncio.Event()
        clients = [
            asyncio.create_task(Client(number, besieged.url, receiver.url, result).run(seconds, began))
            for number in range(CLIENTS)
        ]
        watch = asyncio.create_task(besieged.watch())
        strangers = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.siege.strangers", besieged.url, str(seconds)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert strangers.stdout is not None
            assert (await strangers.stdout.readline()).decode().strip() == READY
            began.set()
            await asyncio.gather(*clients)
            printed, _ = await strangers.communicate()
            assert strangers.returncode == 0
            # They come late, or not at all.
            try:
                await eventually(lambda: _arrived(result), within=ARRIVE_SECONDS)
            except TimeoutError:
                print(f"{len(result.lost)} messages have not arrived", file=sys.stderr)
        finally:
            watch.cancel()
            for client in clients:
                client.cancel()
            if strangers.returncode is None:
                strangers.kill()
                await strangers.wait()
        return Report(
            seconds=seconds,
            honest=result,
            memory=besieged.memory(),
            strangers=msgspec.json.decode(printed, type=dict[str, dict[str, int]]),
        )


async def _arrived(result: Result) -> bool:
    return not result.lost
