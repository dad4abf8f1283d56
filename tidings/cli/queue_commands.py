"""The commands of `tidings queues`, their options and their help."""
# ruff: noqa: PLC0415

import asyncio
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tidings.cli.options import Api, Json, unfolded


class ListByDefault(TyperGroup):
    """A group that lists where nothing else is asked of it: `tidings queues --json` is `tidings queues list --json`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asks_nothing = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        # While a shell completes, what is to come is not known yet.
        if asks_nothing and not ctx.resilient_parsing:
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=ListByDefault, help="Show the queues; start, stop and pace them.")

Name = Annotated[str, typer.Argument(help="The queue's name.")]


@app.command("list")
@unfolded
def list_queues(*, api: Api, as_json: Json = False) -> None:
    """Show all queues, by name."""
    from tidings.cli.queues import show

    asyncio.run(show(api=api, as_json=as_json))


@app.command()
@unfolded
def start(*, name: Name, api: Api, as_json: Json = False) -> None:
    """Let a queue's messages go."""
    from tidings.cli.queues import set_active

    asyncio.run(set_active(name, active=True, api=api, as_json=as_json))


@app.command()
@unfolded
def stop(*, name: Name, api: Api, as_json: Json = False) -> None:
    """Hold a queue's messages back; what is on its way goes on."""
    from tidings.cli.queues import set_active

    asyncio.run(set_active(name, active=False, api=api, as_json=as_json))


@app.command()
@unfolded
def pace(
    *,
    name: Name,
    every: Annotated[str, typer.Option(help="How long an interval is: 2m, 1h, …; 0 for no pace: as soon as due.")],
    messages: Annotated[
        int | None, typer.Option(min=1, help="Messages in an interval at the most. Default: all that are due.")
    ] = None,
    api: Api,
    as_json: Json = False,
) -> None:
    """Give a queue a pace; a queue of a new name is made."""
    from tidings.cli.queues import set_pace

    asyncio.run(set_pace(name, every=every, messages=messages, api=api, as_json=as_json))
