"""`tidings import FILE`: messages of a file go to the API in batches, each batch all or nothing.

A line that cannot be read, or that the API refuses, is named by its number and left out; the rest of its batch is sent
again without it. If the API goes away, the line after which nothing is known to be accepted is said, so that the rest
can be imported later.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tidings.cli.client import ApiClient, ApiError
from tidings.cli.message_files import BadLine, Line, MessageFile

BATCH: Final = 500
"""Messages in one request; the API takes 1,000."""
BATCH_BYTES: Final = 900_000
"""The API takes bodies of up to 1 MiB."""
SHOWN: Final = 50
"""Bad lines that are printed one by one."""


async def import_messages(path: Path, *, url: str, api_key: str) -> int:
    """Imports the file; returns 0, or 2 where a line was left out."""
    file = MessageFile(path)
    console = Console(stderr=True)
    run = _Import(console)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    try:
        async with ApiClient(url, api_key) as api:
            with Progress(
                *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
            ) as progress:
                task = progress.add_task(path.name, total=file.size)
                for batch in _batches(run.readable(file)):
                    await run.send(batch, api)
                    progress.update(task, completed=file.position, description=f"{run.accepted:,} accepted")
    finally:
        file.close()
    run.sum_up()
    return 2 if run.bad else 0


class _Import:
    """One run: what was accepted, and what was not."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.accepted = 0
        self.bad = 0
        self._done_to = 0

    def readable(self, lines: Iterable[Line | BadLine]) -> Iterator[Line]:
        for line in lines:
            if isinstance(line, BadLine):
                self._report(line.number, line.reason)
            else:
                yield line

    async def send(self, batch: list[Line], api: ApiClient) -> None:
        rest = batch
        while rest:
            try:
                await api.post("/api/v1/messages/batch", {"messages": [line.message for line in rest]})
            except ApiError as error:
                refused = _refused(error.problem, len(rest))
                if not refused:
                    raise self._stopped(error) from error
                for index, reason in sorted(refused.items()):
                    self._report(rest[index].number, reason)
                rest = [line for index, line in enumerate(rest) if index not in refused]
            else:
                self.accepted += len(rest)
                break
        self._done_to = batch[-1].number

    def sum_up(self) -> None:
        if self.bad > SHOWN:
            self._print(f"… and {self.bad - SHOWN:,} more")
        left_out = f"; {self.bad:,} left out" if self.bad else ""
        self._print(f"{self.accepted:,} accepted{left_out}")

    def _report(self, number: int, reason: str) -> None:
        self.bad += 1
        if self.bad <= SHOWN:
            self._print(f"line {number}: {reason}")

    def _stopped(self, error: ApiError) -> ApiError:
        after = f"after line {self._done_to}" if self._done_to else "before the first batch"
        return ApiError(f"stopped {after}, {self.accepted:,} accepted: {error}", status=error.status)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    for line in lines:
        bytes_of_line = len(msgspec.json.encode(line.message)) + 1
        if batch and (len(batch) == BATCH or size + bytes_of_line > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += bytes_of_line
    if batch:
        yield batch


def _refused(problem: Mapping[str, Any], count: int) -> dict[int, str]:
    """Which messages of a batch the API refused, by index, and the first reason for each."""
    refused: dict[int, str] = {}
    for fault in problem.get("errors", []):
        index = fault.get("index")
        if index is not None and 0 <= index < count:
            refused.setdefault(index, " ".join(filter(None, [fault.get("field"), fault["detail"]])))
    return refused
