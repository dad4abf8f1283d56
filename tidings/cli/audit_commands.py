"""The commands of `tidings audit`, their options and their help."""
# ruff: noqa: PLC0415

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tidings.cli.options import Api, Json, unfolded
from tidings.cli.queue_commands import ListByDefault

app = typer.Typer(cls=ListByDefault, help="Show who changed what, when and from where; write it to a file.")


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which entries are meant."""

    user: Annotated[str | None, typer.Option(help="By the id of the user who did it, or whose it is.")] = None
    action: Annotated[str | None, typer.Option(help="By what was done: queue.stop, key.create, …")] = None
    subject: Annotated[str | None, typer.Option(help="By the queue's name, or the id of anything else.")] = None
    since: Annotated[str | None, typer.Option(help="Done at this time or later; 2h means two hours ago.")] = None
    until: Annotated[str | None, typer.Option(help="Done before this time; 1d means a day ago.")] = None


@app.command("list")
@unfolded
def list_audit(
    *,
    which: Which,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Entries in the page.")] = 50,
    api: Api,
    as_json: Json = False,
) -> None:
    """Show who changed what, the newest first."""
    from tidings.cli.audit import query, show

    asyncio.run(show({**query(which), "limit": str(limit)}, api=api, as_json=as_json))


@app.command()
@unfolded
def export(
    *,
    file: Annotated[
        Path | None, typer.Argument(help="A new file: .ndjson, .jsonl or .csv. Without one, standard output.")
    ] = None,
    file_format: Annotated[str | None, typer.Option("--format", help="ndjson or csv, whatever the name.")] = None,
    which: Which,
    api: Api,
) -> None:
    """Write the audit log to a file; any number of entries."""
    from tidings.cli.audit import query
    from tidings.cli.files.exporting import AUDIT
    from tidings.cli.files.exporting import export as run

    asyncio.run(run(query(which), path=file, file_format=file_format, fields=(), api=api, what=AUDIT))
