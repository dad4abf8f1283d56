"""The commands that look at a running tidings and mend it, their options and their help."""
# ruff: noqa: PLC0415

import asyncio
import contextlib
from typing import Annotated, Final

import typer

from tidings.cli import queue_commands
from tidings.cli.options import LOCAL, ApiKey, Url

app = typer.Typer()
PANEL: Final = "Watch and mend"

app.add_typer(queue_commands.app, name="queues", rich_help_panel=PANEL)


@app.command(rich_help_panel=PANEL)
def top(
    *,
    once: Annotated[bool, typer.Option("--once", help="Show it once instead of living on.")] = False,
    url: Url = LOCAL,
    api_key: ApiKey = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print each of the API's own answers on a line.")] = False,
) -> None:
    """Watch what is delivered, what waits and who works, live."""
    from tidings.cli.top import top as run

    # Ctrl-C is how one leaves it.
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(once=once, url=url, api_key=api_key, as_json=as_json))


@app.command(rich_help_panel=PANEL)
def doctor(
    *,
    url: Annotated[
        str | None, typer.Option(envvar="TIDINGS_URL", help="Where the API is. Default: at HOST and PORT.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Look at settings, stores and processes, from where they run; say what is wrong and how to mend it."""
    from tidings.cli.doctor import examine

    return examine(url=url, as_json=as_json)


@app.command(rich_help_panel=PANEL)
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
