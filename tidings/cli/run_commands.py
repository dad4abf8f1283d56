"""The commands that run tidings or bring its schema up to date, their options and their help."""
# ruff: noqa: PLC0415

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from tidings import settings as configuration

app = typer.Typer()
PANEL: Final = "Run"


@app.command(rich_help_panel=PANEL)
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


@app.command(rich_help_panel=PANEL)
def api() -> None:
    """Run the control API."""
    from api.__main__ import main

    main()


@app.command(rich_help_panel=PANEL)
def producer() -> None:
    """Run a producer."""
    from producer.__main__ import main

    main()


@app.command(rich_help_panel=PANEL)
def consumer() -> None:
    """Run a consumer."""
    from consumers.__main__ import main

    main()


@app.command(rich_help_panel=PANEL)
def migrate() -> None:
    """Bring the database schema up to this program's version."""
    from tidings.cli.schema import bring_up_to_date
    from tidings.runtime.stores import resolve

    applied = asyncio.run(bring_up_to_date(resolve(configuration.load()).postgres_uri))
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("the schema is up to date")
