"""The commands about messages, their options and their help. Each hands over to the module that does the work."""
# ruff: noqa: PLC0415

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from tidings.cli import options
from tidings.cli.options import LOCAL, ApiKey, Json, Url

app = typer.Typer()
PANEL: Final = "Messages"

MessageId = Annotated[str, typer.Argument(metavar="ID", help="The message's id.", show_default=False)]
MessageIds = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]…", help="The messages' ids; or a filter.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="Without any filter: all messages.")]


@app.command(rich_help_panel=PANEL)
def send(
    *,
    recipient: options.Recipient,
    content: options.Content,
    channel: options.Channel = "sms",
    subject: options.Subject = None,
    queue: options.QueueName = None,
    priority: options.PriorityName = None,
    due_at: Annotated[str | None, typer.Option(help="When: a time, or a duration from now on. Default: now.")] = None,
    expires_at: options.ExpiresAt = None,
    max_tries: options.MaxTries = None,
    idempotency_key: options.IdempotencyKey = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Json = False,
) -> None:
    """Send one message."""
    from tidings.cli.messages import send as post

    message: dict[str, object | None] = {
        "channel": channel,
        "recipient": recipient,
        "content": content,
        "subject": subject,
        "queue": queue,
        "priority": priority,
        "due_at": due_at,
        "expires_at": expires_at,
        "max_tries": max_tries,
    }
    asyncio.run(post(message, url=url, api_key=api_key, as_json=as_json, idempotency_key=idempotency_key))


@app.command(rich_help_panel=PANEL)
def schedule(
    *,
    recipient: options.Recipient,
    content: options.Content,
    at: Annotated[
        str | None, typer.Option(help="2030-01-31T09:00:00Z; or by this clock: '2030-01-31 9:00', 18:30.")
    ] = None,
    after: Annotated[str | None, typer.Option("--in", help="90s, 15m, 2h30m, 1d, 1w from now on.")] = None,
    channel: options.Channel = "sms",
    subject: options.Subject = None,
    queue: options.QueueName = None,
    priority: options.PriorityName = None,
    expires_at: options.ExpiresAt = None,
    max_tries: options.MaxTries = None,
    idempotency_key: options.IdempotencyKey = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Json = False,
) -> None:
    """Send one message later: at a time, or in a while."""
    from tidings.cli.messages import scheduled_for
    from tidings.cli.messages import send as post
    from tidings.domain.timestamps import utc_now

    message: dict[str, object | None] = {
        "channel": channel,
        "recipient": recipient,
        "content": content,
        "subject": subject,
        "queue": queue,
        "priority": priority,
        "due_at": scheduled_for(at=at, after=after, now=utc_now()),
        "expires_at": expires_at,
        "max_tries": max_tries,
    }
    asyncio.run(post(message, url=url, api_key=api_key, as_json=as_json, idempotency_key=idempotency_key))


@app.command("list", rich_help_panel=PANEL)
def list_messages(
    *,
    status: options.OfStatus = None,
    channel: options.OfChannel = None,
    queue: options.OfQueue = None,
    recipient: options.OfRecipient = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Messages in the page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="`next_cursor` of the page before (--json shows it).")] = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Json = False,
) -> None:
    """Show messages, the newest first."""
    from tidings.cli.messages import filters_of, show_page

    wanted = filters_of(status=status, channel=channel, queue=queue, recipient=recipient, since=since, until=until)
    page = {**wanted, "limit": str(limit), "cursor": cursor}
    asyncio.run(show_page(page, url=url, api_key=api_key, as_json=as_json))


@app.command(rich_help_panel=PANEL)
def show(*, message_id: MessageId, url: Url = LOCAL, api_key: ApiKey = "", as_json: Json = False) -> None:
    """Show one message whole, and every attempt at it."""
    from tidings.cli.messages import show_one

    asyncio.run(show_one(message_id, url=url, api_key=api_key, as_json=as_json))


@app.command(rich_help_panel=PANEL)
def explain(*, message_id: MessageId, url: Url = LOCAL, api_key: ApiKey = "", as_json: Json = False) -> None:
    """Say why a message is not sent yet, and what happens to it next."""
    from tidings.cli.explaining import explain as run

    asyncio.run(run(message_id, url=url, api_key=api_key, as_json=as_json))


@app.command(rich_help_panel=PANEL)
def cancel(
    *,
    ids: MessageIds = None,
    status: options.OfStatus = None,
    channel: options.OfChannel = None,
    queue: options.OfQueue = None,
    recipient: options.OfRecipient = None,
    since: options.Since = None,
    until: options.Until = None,
    everything: All = False,
    yes: options.Yes = False,
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Json = False,
) -> None:
    """Cancel waiting messages, by id or by filter; what is on its way already goes on."""
    from tidings.cli.changing import change_messages
    from tidings.cli.messages import filters_of

    wanted = filters_of(status=status, channel=channel, queue=queue, recipient=recipient, since=since, until=until)
    change_messages(
        "cancel", ids or (), wanted, everything=everything, yes=yes, url=url, api_key=api_key, as_json=as_json
    )


@app.command(rich_help_panel=PANEL)
def retry(
    *,
    ids: MessageIds = None,
    status: options.OfStatus = None,
    channel: options.OfChannel = None,
    queue: options.OfQueue = None,
    recipient: options.OfRecipient = None,
    reason: options.CancelledFor = None,
    since: options.Since = None,
    until: options.Until = None,
    everything: All = False,
    yes: options.Yes = False,
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Json = False,
) -> None:
    """Start cancelled messages anew and make failed ones due now, by id or by filter."""
    from tidings.cli.changing import change_messages
    from tidings.cli.messages import filters_of

    wanted = filters_of(status=status, channel=channel, queue=queue, recipient=recipient, since=since, until=until)
    if reason is not None:
        wanted["cancel_reason"] = reason
    change_messages(
        "retry", ids or (), wanted, everything=everything, yes=yes, url=url, api_key=api_key, as_json=as_json
    )


@app.command("import", rich_help_panel=PANEL)
def import_file(
    *,
    file: Annotated[Path, typer.Argument(help="One message per line (.ndjson, .jsonl) or row (.csv).")],
    from_start: Annotated[bool, typer.Option("--from-start", help="Forget how far an earlier run came.")] = False,
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> int:
    """Send every message of a file, or the rest of it after an interruption; bad lines are named, the others go."""
    from tidings.cli.importing import import_messages

    return asyncio.run(import_messages(file, url=url, api_key=api_key, from_start=from_start, as_json=as_json))


@app.command(rich_help_panel=PANEL)
def export(
    *,
    file: Annotated[
        Path | None, typer.Argument(help="A new file: .ndjson, .jsonl or .csv. Without one, standard output.")
    ] = None,
    file_format: Annotated[str | None, typer.Option("--format", help="ndjson or csv, whatever the name.")] = None,
    fields: Annotated[str, typer.Option(help="Which fields, separated by commas. Default: all.")] = "",
    status: options.OfStatus = None,
    channel: options.OfChannel = None,
    queue: options.OfQueue = None,
    recipient: options.OfRecipient = None,
    since: options.Since = None,
    until: options.Until = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Write messages to a file, the newest first; any number of them."""
    from tidings.cli.exporting import export as run
    from tidings.cli.messages import filters_of

    wanted = filters_of(status=status, channel=channel, queue=queue, recipient=recipient, since=since, until=until)
    chosen = [field.strip() for field in fields.split(",") if field.strip()]
    asyncio.run(run(wanted, path=file, file_format=file_format, fields=chosen, url=url, api_key=api_key))
