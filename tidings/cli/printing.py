"""What every command prints with: JSON, tables wide enough for a message id, text without control characters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH: Final = 140
"""Characters for a table at the least; on a narrower terminal the lines wrap: better than an id that is cut off."""
LAST_COLUMN: Final = 20
"""Characters for the last column of a table at the least."""
GAP: Final = "  "
STATUS_STYLES: Final = {"sent": "green", "failed": "yellow", "cancelled": "red", "processing": "cyan"}
SECONDS: Final = len("2030-01-31T09:00:00")
"""A time of the API, cut down to whole seconds."""


def print_json(answer: object) -> None:
    """Prints what a program may read, with its lines indented."""
    typer.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())


def print_line(text: str) -> None:
    typer.echo(text)


def wide_console() -> Console:
    console = Console()
    console.width = max(console.width, WIDTH)
    return console


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Text | str]]) -> None:
    """Prints rows under their headings, none of them cut but in the last column, which takes what the line has left."""
    # As Text, so that brackets in a message stay brackets.
    cells = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, (heading, *(row[at].plain for row in cells)))) for at, heading in enumerate(columns)]
    console = wide_console()
    console.width = max(console.width, sum(widths[:-1]) + LAST_COLUMN + len(GAP) * len(columns))
    room = console.width - sum(widths[:-1]) - len(GAP) * len(columns)
    table = Table.grid(padding=(0, len(GAP), 0, 0))
    for heading in columns:
        table.add_column(heading, no_wrap=True)
    table.add_row(*(Text(heading, style="dim") for heading in columns))
    for row in cells:
        row[-1].truncate(room, overflow="ellipsis")
        table.add_row(*row)
    console.print(table)


def printable(text: str) -> str:
    """On one line, and without what would make a terminal do anything but print."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def shown_time(value: object) -> str:
    """A time of the API, in UTC and whole seconds; empty for None."""
    return "" if value is None else str(value)[:SECONDS].replace("T", " ")


def rfc3339(value: datetime) -> str:
    """A time as the API takes it."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
