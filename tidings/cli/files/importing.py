"""`tidings import FILE`: messages of a file go to the API in batches, each batch all or nothing, and once.

A line that cannot be read, or that the API refuses, is named by its number and left out; the rest of its batch is sent
again without it. An API that is away is waited for, for a while. Whatever interrupts an import, the same command goes
on after the last batch that is done; `progress.py` says how none is lost or sent twice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tidings.cli.client import ApiClient, ApiError
from tidings.cli.files.progress import ImportProgress
from tidings.cli.files.reading import BadLine, Line, MessageFile
from tidings.cli.options import Api
from tidings.cli.printing import print_json

BATCH: Final = 500
"""Lines in one request; the API takes 1,000 messages."""
BATCH_BYTES: Final = 900_000
"""The API takes bodies of up to 1 MiB."""
SHOWN: Final = 50
"""Bad lines that are printed one by one."""
PATIENCE_SECONDS: Final = 30.0
"""How long an import waits for an API that is away."""


async def import_messages(
    path: Path,
    *,
    api: Api,
    from_start: bool = False,
    as_json: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> int:
    """Imports the file, or the rest of it; returns 0, or 1 where a line was left out."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    file = MessageFile(path)
    try:
        progress = ImportProgress.of(path, file, url=api.url, from_start=from_start)
        run = _Import(console, file, progress)
        async with ApiClient(api.url, api.api_key, patience_seconds=patience_seconds) as client:
            with Progress(
                *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
            ) as bar:
                task = bar.add_task(path.name, total=file.size)
                for batch in _batches(file.lines(progress.state.place)):
                    await run.send(batch, client)
                    bar.update(
                        task,
                        completed=progress.state.place.position,
                        description=f"{progress.state.accepted:,} accepted",
                    )
        progress.forget()
    finally:
        file.close()
    run.sum_up()
    if as_json:
        print_json({"accepted": progress.state.accepted, "left_out": progress.state.left_out})
    return 1 if progress.state.left_out else 0


class _Import:
    def __init__(self, console: Console, file: MessageFile, progress: ImportProgress) -> None:
        self._console = console
        self._file = file
        self._progress = progress
        self._reported = 0
        if progress.state.place.lines:
            self._print(
                f"going on after line {progress.state.place.lines:,}, {progress.state.accepted:,} accepted before"
            )

    async def send(self, batch: Sequence[Line | BadLine], client: ApiClient) -> None:
        """Hands in what is good of a batch. Raises ApiError, which says where it stopped, for a refusal as a whole."""
        rest = [line for line in batch if isinstance(line, Line) and line.number not in self._progress.state.refused]
        while rest:
            try:
                await client.post(
                    "/api/v1/messages/batch",
                    {"messages": [line.message for line in rest]},
                    key=self._progress.key_of(rest[0].number, len(rest)),
                )
            except ApiError as error:
                refused = _refused(error.problem, rest)
                if not refused:
                    raise self._stopped(error) from error
                self._progress.refuse(refused)
                rest = [line for line in rest if line.number not in refused]
            else:
                break
        bad = {line.number: line.reason for line in batch if isinstance(line, BadLine)} | self._progress.state.refused
        for number, reason in sorted(bad.items()):
            self._report(number, reason)
        end = batch[-1].end
        self._progress.advance(end, self._file.digest(end), accepted=len(rest), left_out=len(bad))

    def sum_up(self) -> None:
        if self._reported > SHOWN:
            self._print(f"… and {self._reported - SHOWN:,} more")
        left_out = f"; {self._progress.state.left_out:,} left out" if self._progress.state.left_out else ""
        self._print(f"{self._progress.state.accepted:,} accepted{left_out}")

    def _report(self, number: int, reason: str) -> None:
        self._reported += 1
        if self._reported <= SHOWN:
            self._print(f"line {number}: {reason}")

    def _stopped(self, error: ApiError) -> ApiError:
        lines = self._progress.state.place.lines
        after = f"after line {lines}" if lines else "before the first batch was done"
        return ApiError(
            f"stopped {after}, {self._progress.state.accepted:,} accepted; the same command goes on there: {error}",
            status=error.status,
        )

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _batches(lines: Iterable[Line | BadLine]) -> Iterator[list[Line | BadLine]]:
    """Lines as they follow one another, as many as one request may hold."""
    batch: list[Line | BadLine] = []
    size = 0
    for line in lines:
        bytes_of_line = len(msgspec.json.encode(line.message)) + 1 if isinstance(line, Line) else 0
        if batch and (len(batch) == BATCH or size + bytes_of_line > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += bytes_of_line
    if batch:
        yield batch


def _refused(problem: Mapping[str, Any], batch: Sequence[Line]) -> dict[int, str]:
    """Which lines of a batch the API refused, by number, and the first reason for each."""
    refused: dict[int, str] = {}
    for fault in problem.get("errors", []):
        index = fault.get("index")
        if index is not None and 0 <= index < len(batch):
            refused.setdefault(batch[index].number, " ".join(filter(None, [fault.get("field"), fault["detail"]])))
    return refused
