"""The commands of `tidings`, put together; here those that run tidings, and those that watch and check a running one.

Each hands over to the module that does the work, which is imported when the command runs: `tidings --help` returns at
once.
"""
# ruff: noqa: PLC0415

import asyncio
import contextlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

import typer

from tidings import settings as configuration
from tidings.cli import (
    account_commands,
    audit_commands,
    hold_commands,
    message_commands,
    queue_commands,
    suppression_commands,
)
from tidings.cli.options import Api, JsonReport, unfolded

app = typer.Typer(
    help="Delivers messages on time, at least once and nearly once.",
    epilog="Exit codes: 0 done; 1 not (all) done, as where a message does not exist; 2 wrong command, or no answer; "
    "3 too old for this database.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_run, _watch = typer.Typer(), typer.Typer()

RUN: Final = "Run"
WATCH: Final = "Watch and mend"
ACCOUNTS: Final = "Accounts and keys"


def _print_version(wanted: bool) -> None:
    if wanted:
        from sql.migrate import expected_version
        from tidings import __version__

        typer.echo(f"tidings {__version__} (schema {expected_version()})")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What holds for all commands."""


@_run.command(rich_help_panel=RUN)
def up(
    *,
    consumers: Annotated[int, typer.Option(min=1, max=256, help="How many consumers to run.")] = 2,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the API; 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the embedded stores keep their data.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Add a fake SMS gateway and fifteen messages.")] = False,
) -> int:
    """Run everything on this machine: stores, API, producer, consumers."""
    from tidings.cli.up.machine import up as run

    return run(consumers=consumers, port=port, data_dir=data_dir, demo=demo)


def _runs(package: str) -> Callable[[], None]:
    return lambda: import_module(f"{package}.__main__").main()


for _name, _package, _help in (
    ("api", "api", "Run the control API."),
    ("producer", "producer", "Run a producer."),
    ("consumer", "consumers", "Run a consumer."),
):
    _run.command(_name, help=_help, rich_help_panel=RUN)(_runs(_package))


@_run.command(rich_help_panel=RUN)
def migrate() -> None:
    """Bring the database schema up to this program's version."""
    from tidings.cli.store import bring_up_to_date
    from tidings.runtime.stores import resolve

    settings = resolve(configuration.load())
    applied = asyncio.run(bring_up_to_date(settings.postgres_uri, settings.postgres_listen_uri))
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("the schema is up to date")


@_watch.command(rich_help_panel=WATCH)
@unfolded
def top(
    *,
    once: Annotated[bool, typer.Option("--once", help="Show it once instead of living on.")] = False,
    api: Api,
    as_json: Annotated[bool, typer.Option("--json", help="Print each response of the API on a line.")] = False,
) -> None:
    """Watch what is delivered, what waits and who works, live."""
    from tidings.cli.top import top as run

    # Ctrl-C is how one leaves it.
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(once=once, api=api, as_json=as_json))


@_watch.command(rich_help_panel=WATCH)
def doctor(
    *,
    url: Annotated[
        str | None, typer.Option(envvar="TIDINGS_URL", help="Where the API is. Default: at HOST and PORT.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Check settings, stores and processes from this machine; say what is wrong and how to mend it."""
    from tidings.cli.doctor import examine

    return examine(url=url, as_json=as_json)


@_watch.command(rich_help_panel=WATCH)
def resume(
    *,
    skip_due_before: Annotated[
        str | None,
        typer.Option(help="Cancel what was due before this time, or this long ago, and has no dedup record."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Resume without asking.")] = False,
) -> None:
    """Let messages go again after Postgres was restored from a backup; see first what waits."""
    from tidings.cli.resuming import resume as run

    asyncio.run(run(configuration.load(), skip_due_before=skip_due_before, yes=yes))


@_watch.command(rich_help_panel=WATCH)
@unfolded
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
    api: Api,
    as_json: JsonReport = False,
) -> int:
    """Kill something in a staging deployment under load, and count what is lost, late or delivered twice."""
    from tidings.cli.drill import Plan, victims
    from tidings.cli.drill import drill as run

    doomed = [victims.of_local_up(kind, api.url) for kind in kill or ()]
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
    return asyncio.run(run(plan, api=api, as_json=as_json))


_watch.add_typer(queue_commands.app, name="queues", rich_help_panel=WATCH)
_watch.add_typer(hold_commands.app, name="holds", rich_help_panel=WATCH)
_watch.add_typer(suppression_commands.app, name="suppressions", rich_help_panel=WATCH)
app.add_typer(_run)
app.add_typer(message_commands.app)
app.add_typer(_watch)
app.add_typer(account_commands.users, name="user", rich_help_panel=ACCOUNTS)
app.add_typer(account_commands.smtp, name="smtp", rich_help_panel=ACCOUNTS)
app.add_typer(account_commands.secrets, name="secrets", rich_help_panel=ACCOUNTS)
app.add_typer(audit_commands.app, name="audit", rich_help_panel=ACCOUNTS)
