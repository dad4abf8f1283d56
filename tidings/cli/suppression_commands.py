"""The commands of `tidings suppressions`, their options and their help."""
# ruff: noqa: PLC0415

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tidings.cli.options import Api, Json, unfolded
from tidings.cli.queue_commands import ListByDefault
from tidings.domain.suppression import SuppressionReason

app = typer.Typer(cls=ListByDefault, help="Show the addresses that take no more mail; add to them, lift them.")


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which suppressions are meant."""

    address: Annotated[str | None, typer.Option(help="By address.")] = None
    reason: Annotated[str | None, typer.Option(help=f"By reason: {', '.join(SuppressionReason)}.")] = None

    @property
    def query(self) -> dict[str, str]:
        """The parameters for the API."""
        given = {"address": self.address, "reason": self.reason}
        return {name: value for name, value in given.items() if value is not None}


@app.command("list")
@unfolded
def list_suppressions(
    *,
    which: Which,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Addresses in the page.")] = 50,
    api: Api,
    as_json: Json = False,
) -> None:
    """Show the addresses that take no more mail, the newest first."""
    from tidings.cli.suppressions import show

    asyncio.run(show({**which.query, "limit": str(limit)}, api=api, as_json=as_json))


@app.command()
@unfolded
def add(
    *,
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS…", help="E-mail addresses.", show_default=False)],
    detail: Annotated[str | None, typer.Option(help="Why, in your own words.")] = None,
    api: Api,
    as_json: Json = False,
) -> None:
    """Send no more mail to addresses; what waits for them is cancelled."""
    from tidings.cli.suppressions import add as run

    asyncio.run(run(addresses, detail=detail, api=api, as_json=as_json))


@app.command()
@unfolded
def lift(
    *,
    address_or_id: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="The address, or the id.", show_default=False)
    ],
    api: Api,
    as_json: Json = False,
) -> None:
    """Let mail go to an address again."""
    from tidings.cli.suppressions import lift as run

    asyncio.run(run(address_or_id, api=api, as_json=as_json))


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
    """Write the addresses to a file; any number of them."""
    from tidings.cli.files.exporting import SUPPRESSIONS
    from tidings.cli.files.exporting import export as run

    asyncio.run(run(which.query, path=file, file_format=file_format, fields=(), api=api, what=SUPPRESSIONS))
