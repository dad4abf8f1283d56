"""The commands about messages, their options and their help. Each hands over to the module that does the work."""
# ruff: noqa: PLC0415

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from tidings.cli.options import Api, CancelReasonName, Draft, Filter, Json, JsonReport, Selection, unfolded

app = typer.Typer()
PANEL: Final = "Messages"

MessageId = Annotated[str, typer.Argument(metavar="ID", help="The message's id.", show_default=False)]


@app.command(rich_help_panel=PANEL)
@unfolded
def send(
    *,
    draft: Draft,
    due_at: Annotated[str | None, typer.Option(help="When: a time, or a duration from now on. Default: now.")] = None,
    api: Api,
    as_json: Json = False,
) -> None:
    """Send one message."""
    from tidings.cli.messages import send as run

    asyncio.run(run(draft, due_at=due_at, api=api, as_json=as_json))


@app.command(rich_help_panel=PANEL)
@unfolded
def schedule(
    *,
    draft: Draft,
    at: Annotated[
        str | None, typer.Option(help="2030-01-31T09:00:00Z; or by this clock: '2030-01-31 9:00', 18:30.")
    ] = None,
    after: Annotated[str | None, typer.Option("--in", help="90s, 15m, 2h30m, 1d, 1w from now on.")] = None,
    api: Api,
    as_json: Json = False,
) -> None:
    """Send one message later: at a time, or in a while."""
    from tidings.cli.messages import scheduled_for
    from tidings.cli.messages import send as run

    asyncio.run(run(draft, due_at=scheduled_for(at=at, after=after), api=api, as_json=as_json))


@app.command("list", rich_help_panel=PANEL)
@unfolded
def list_messages(
    *,
    which: Filter,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Messages in the page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="`next_cursor` of the page before (--json shows it).")] = None,
    api: Api,
    as_json: Json = False,
) -> None:
    """Show messages, the newest first."""
    from tidings.cli.messages import show_page

    asyncio.run(show_page(which, limit=limit, cursor=cursor, api=api, as_json=as_json))


@app.command(rich_help_panel=PANEL)
@unfolded
def show(*, message_id: MessageId, api: Api, as_json: Json = False) -> None:
    """Show one message whole, and every attempt at it."""
    from tidings.cli.messages import show_one

    asyncio.run(show_one(message_id, api=api, as_json=as_json))


@app.command(rich_help_panel=PANEL)
@unfolded
def explain(*, message_id: MessageId, api: Api, as_json: Json = False) -> None:
    """Say why a message is not sent yet, and what happens to it next."""
    from tidings.cli.explaining import explain as run

    asyncio.run(run(message_id, api=api, as_json=as_json))


@app.command(rich_help_panel=PANEL)
@unfolded
def cancel(*, selection: Selection, api: Api, as_json: Json = False) -> None:
    """Cancel waiting messages, by id or by filter; what is on its way already goes on."""
    from tidings.cli.changing import change_messages

    change_messages("cancel", selection, api=api, as_json=as_json)


@app.command(rich_help_panel=PANEL)
@unfolded
def retry(*, selection: Selection, reason: CancelReasonName = None, api: Api, as_json: Json = False) -> None:
    """Start cancelled messages again and make failed ones due now, by id or by filter."""
    from tidings.cli.changing import change_messages

    change_messages("retry", selection, reason=reason, api=api, as_json=as_json)


@app.command("import", rich_help_panel=PANEL)
@unfolded
def import_file(
    *,
    file: Annotated[Path, typer.Argument(help="One message per line (.ndjson, .jsonl) or row (.csv).")],
    from_start: Annotated[bool, typer.Option("--from-start", help="Forget how far an earlier run came.")] = False,
    api: Api,
    as_json: JsonReport = False,
) -> int:
    """Send every message of a file, or the rest of it after an interruption; bad lines are named, the others go."""
    from tidings.cli.files.importing import import_messages

    return asyncio.run(import_messages(file, api=api, from_start=from_start, as_json=as_json))


@app.command(rich_help_panel=PANEL)
@unfolded
def export(
    *,
    file: Annotated[
        Path | None, typer.Argument(help="A new file: .ndjson, .jsonl or .csv. Without one, standard output.")
    ] = None,
    file_format: Annotated[str | None, typer.Option("--format", help="ndjson or csv, whatever the name.")] = None,
    fields: Annotated[str, typer.Option(help="Which fields, separated by commas. Default: all.")] = "",
    which: Filter,
    api: Api,
) -> None:
    """Write messages to a file, the newest first; any number of them."""
    from tidings.cli.files.exporting import export as run
    from tidings.cli.messages import query_of

    chosen = [field.strip() for field in fields.split(",") if field.strip()]
    asyncio.run(run(query_of(which), path=file, file_format=file_format, fields=chosen, api=api))
