"""The commands of `tidings holds`, their options and their help."""
# ruff: noqa: PLC0415

import asyncio
from typing import Annotated

import typer

from tidings.cli.options import Api, Json, unfolded
from tidings.cli.queue_commands import ListByDefault

app = typer.Typer(cls=ListByDefault, help="Show what waits until somebody releases it; release it.")


@app.command("list")
@unfolded
def list_holds(*, api: Api, as_json: Json = False) -> None:
    """Show the endpoints to which nothing goes."""
    from tidings.cli.holds import show

    asyncio.run(show(api=api, as_json=as_json))


@app.command()
@unfolded
def release(
    *,
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="The hold's id.", show_default=False)],
    api: Api,
    as_json: Json = False,
) -> None:
    """Let the messages of an endpoint go again."""
    from tidings.cli.holds import release as run

    asyncio.run(run(hold_id, api=api, as_json=as_json))
