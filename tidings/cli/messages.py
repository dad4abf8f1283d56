"""`tidings send` and `tidings list`: one message in, a page of messages out."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidings.cli.client import ApiClient

SECONDS: Final = len("2030-01-31T09:00:00")
"""A time of the API, cut down to whole seconds."""

Value = TypeVar("Value")

WIDTH: Final = 140
"""Characters for a table at the least."""
STATUS_STYLES: Final = {"sent": "green", "failed": "yellow", "cancelled": "red", "processing": "cyan"}


async def send(message: Mapping[str, object | None], *, url: str, api_key: str, as_json: bool) -> None:
    """Posts a message; fields that are None are left out."""
    async with ApiClient(url, api_key) as api:
        accepted = await api.post("/api/v1/messages", _given(message))
    if as_json:
        _print_json(accepted)
    else:
        typer.echo(f"accepted {accepted['id']}, due {accepted['due_at']}")


async def show(filters: Mapping[str, str | None], *, url: str, api_key: str, as_json: bool) -> None:
    """Prints the newest messages that pass the filters."""
    async with ApiClient(url, api_key) as api:
        page = await api.get("/api/v1/messages", _given(filters))
    if as_json:
        _print_json(page)
        return
    table = Table(box=None, header_style="dim")
    for column in ("id", "due (UTC)", "channel", "recipient"):
        table.add_column(column, no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("tries", justify="right")
    table.add_column("content", no_wrap=True, overflow="ellipsis")
    for message in page["messages"]:
        table.add_row(*_cells(message))
    console = Console()
    # On a narrower terminal the lines wrap: better than a message id that is cut off.
    console.width = max(console.width, WIDTH)
    console.print(table)


def _cells(message: Mapping[str, Any]) -> list[Text]:
    """The cells of a row; as Text, so that brackets in a message stay brackets."""
    status = str(message["status"])
    reason = message.get("cancel_reason")
    return [
        Text(str(message["id"])),
        Text(str(message["due_at"])[:SECONDS].replace("T", " ")),
        Text(str(message["channel"])),
        Text(_printable(message["recipient"])),
        Text(f"{status} ({reason})" if reason else status, style=STATUS_STYLES.get(status, "")),
        Text(f"{message['tries']}/{message['max_tries']}"),
        Text(_printable(message["content"])),
    ]


def _printable(text: str) -> str:
    """On one line, and without what would make a terminal do anything but print."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def _given(values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _print_json(answer: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
