"""The commands of `tidings`, their options and their help. Each hands over to the module that does the work.

That module is imported when the command runs, so that `tidings --help` answers at once.
"""
# ruff: noqa: PLC0415

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tidings import settings as configuration
from tidings.cli import user_commands

app = typer.Typer(
    help="Delivers messages on time, once, with bounded retries.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(user_commands.app, name="user")

Url = Annotated[str, typer.Option(envvar="TIDINGS_URL", help="Where the API is.")]
ApiKey = Annotated[str, typer.Option(envvar="API_KEY", help="Its bearer token.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the API's own answer.")]
LOCAL: str = "http://127.0.0.1:8080"


@app.command()
def up(
    *,
    consumers: Annotated[int, typer.Option(min=1, max=256, help="How many consumers to run.")] = 2,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the API; 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the embedded stores keep their data.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Add a fake SMS gateway and fifteen messages.")] = False,
) -> int:
    """Run everything on this machine: stores, API, producer, consumers."""
    from tidings.cli.up import up as run

    return run(consumers=consumers, port=port, data_dir=data_dir, demo=demo)


@app.command()
def api() -> None:
    """Run the control API."""
    from api.__main__ import main

    main()


@app.command()
def producer() -> None:
    """Run a producer."""
    from producer.__main__ import main

    main()


@app.command()
def consumer() -> None:
    """Run a consumer."""
    from consumers.__main__ import main

    main()


@app.command()
def migrate() -> None:
    """Bring the database schema up to this program's version."""
    from tidings.cli.schema import bring_up_to_date
    from tidings.stores import resolve

    applied = asyncio.run(bring_up_to_date(resolve(configuration.load()).postgres_uri))
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("the schema is up to date")


@app.command()
def send(
    *,
    recipient: Annotated[str, typer.Argument(help="Phone number, URL, address or text, as the channel wants it.")],
    content: Annotated[str, typer.Argument(help="What to deliver.")],
    channel: Annotated[str, typer.Option(help="sms, webhook, email, echo, …")] = "sms",
    subject: Annotated[str | None, typer.Option(help="For channels that have one.")] = None,
    queue: Annotated[str | None, typer.Option(help="The queue it goes to.")] = None,
    priority: Annotated[str | None, typer.Option(help="high, normal or low.")] = None,
    due_at: Annotated[str | None, typer.Option(help="When: RFC 3339 with a time zone, or epoch.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="When it is no longer worth sending.")] = None,
    max_tries: Annotated[int | None, typer.Option(min=1, help="Tries before it is given up.")] = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Json = False,
) -> None:
    """Send one message, now or later."""
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
    asyncio.run(post(message, url=url, api_key=api_key, as_json=as_json))


@app.command("list")
def list_messages(
    *,
    status: Annotated[str | None, typer.Option(help="pending, processing, sent, failed or cancelled.")] = None,
    channel: Annotated[str | None, typer.Option()] = None,
    queue: Annotated[str | None, typer.Option()] = None,
    recipient: Annotated[str | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Json = False,
) -> None:
    """Show messages, the newest first."""
    from tidings.cli.messages import show

    filters = {"status": status, "channel": channel, "queue": queue, "recipient": recipient, "limit": str(limit)}
    asyncio.run(show(filters, url=url, api_key=api_key, as_json=as_json))


@app.command("import")
def import_file(
    *,
    file: Annotated[Path, typer.Argument(help="One message per line (.ndjson, .jsonl) or row (.csv).")],
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> int:
    """Send every message of a file; bad lines are named, the others go."""
    from tidings.cli.importing import import_messages

    return asyncio.run(import_messages(file, url=url, api_key=api_key))


@app.command()
def drill(
    *,
    kill: Annotated[
        list[str] | None, typer.Option(help="consumer or producer: kill one of the `tidings up` on this machine.")
    ] = None,
    kill_pid: Annotated[list[int] | None, typer.Option(help="Kill this process of this machine.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Kill without asking.")] = False,
    canaries: Annotated[int, typer.Option(min=1, max=100_000, help="Messages to send.")] = 500,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="Messages a second.")] = 50.0,
    wait: Annotated[float, typer.Option(min=1, help="Seconds that the last ones may take.")] = 30.0,
    listen: Annotated[str, typer.Option(help="Where the drill's receiver listens.")] = "127.0.0.1:0",
    receiver_url: Annotated[str, typer.Option(help="Where the consumers reach it, if not at that address.")] = "",
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> int:
    """Kill something in a staging deployment under load, and count what is lost, late or delivered twice."""
    from tidings.cli import victims
    from tidings.cli.drill import Plan
    from tidings.cli.drill import drill as run

    doomed = [victims.of_local_up(kind, url) for kind in kill or ()]
    doomed += [victims.by_pid(pid) for pid in kill_pid or ()]
    if not yes:
        victims.confirm(doomed)
    plan = Plan(
        canaries=canaries,
        rate=rate,
        wait_seconds=wait,
        listen=listen,
        receiver_url=receiver_url,
        victims=doomed,
    )
    return asyncio.run(run(plan, url=url, api_key=api_key, as_json=as_json))


secrets = typer.Typer(help="Exchange the keys that encrypt users' secrets (SECRET_KEYS).", no_args_is_help=True)
app.add_typer(secrets, name="secrets")


@secrets.command("new-key")
def new_key() -> None:
    """Print a new key for SECRET_KEYS."""
    from tidings.secretbox import new_key as make

    typer.echo(make())


@secrets.command()
def rotate() -> None:
    """Bring every secret in Postgres under the first of SECRET_KEYS."""
    from tidings.cli.secrets import rotate_secrets
    from tidings.stores import resolve

    rotation = rotate_secrets(resolve(configuration.load()))
    typer.echo(f"{rotation.resealed} of {rotation.users} users with secrets came under the newest key")
