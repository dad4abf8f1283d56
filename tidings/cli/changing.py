"""`tidings cancel` and `tidings retry`: some messages by their ids, or all that pass a filter.

By a filter the API changes all of them while the command watches, and stops where the command is interrupted. What was
changed by then stays changed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal

import typer
from rich.console import Console

from tidings.cli import NotDoneError, complain
from tidings.cli.client import ApiClient, ApiError
from tidings.cli.messages import NO_MESSAGE, query_of
from tidings.cli.options import Api, Selection
from tidings.cli.printing import print_json, print_line, printable
from tidings.domain.errors import TidingsError
from tidings_client.paths import of_message

Change = Literal["cancel", "retry"]
POLL_SECONDS: Final = 0.2
DONE: Final[Mapping[Change, str]] = {"cancel": "cancelled", "retry": "retried"}

_NOT_DONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})


class SelectionError(TidingsError):
    """It is not clear which messages are meant."""


async def change_each(change: Change, ids: Sequence[str], *, api: Api, as_json: bool) -> None:
    """Changes these messages and names each one that could not be; then raises NotDoneError."""
    changed: list[Any] = []
    refused: list[dict[str, str]] = []
    async with ApiClient(api.url, api.api_key) as client:
        for message_id in ids:
            try:
                changed.append(await client.post(of_message(message_id, f"/{change}")))
            except ApiError as error:
                if error.status not in _NOT_DONE:
                    raise
                detail = NO_MESSAGE if error.status == HTTPStatus.NOT_FOUND else error.detail
                complain(f"{printable(message_id)}: {detail}")
                refused.append({"id": message_id, "detail": detail})
            else:
                if not as_json:
                    print_line(f"{DONE[change]} {message_id}")
    if as_json:
        print_json({DONE[change]: changed, "refused": refused})
    if refused:
        raise NotDoneError(f"{len(refused)} of {len(ids)} messages were not {DONE[change]}")


def change_messages(
    change: Change, selection: Selection, *, reason: str | None = None, api: Api, as_json: bool
) -> None:
    """Runs the command. Raises SelectionError where it is not clear what is meant, NotDoneError as the others do."""
    ids, filters = selection.ids or (), query_of(selection, cancel_reason=reason)
    if sum((bool(ids), bool(filters), selection.everything)) != 1:
        raise SelectionError(f"unclear which messages are to be {DONE[change]}; give ids, or a filter, or --all")
    if ids:
        asyncio.run(change_each(change, ids, api=api, as_json=as_json))
        return
    if not selection.yes:
        _confirm(change, filters)
    asyncio.run(change_all(change, filters, api=api, as_json=as_json))


async def change_all(change: Change, filters: Mapping[str, str], *, api: Api, as_json: bool) -> None:
    """Changes every message that passes the filters and may be changed, and prints how many; no filter means all."""
    wanted: dict[str, Any] = {**(dict(filters) or {"all": True}), "wait": False}
    with Console(stderr=True).status(f"{DONE[change]}: none yet") as status:
        async with ApiClient(api.url, api.api_key) as client:
            progress = await client.post(f"/api/v1/messages/{change}", wanted)
            path = f"/api/v1/changes/{progress['id']}"
            try:
                while progress["state"] == "running":
                    await asyncio.sleep(POLL_SECONDS)
                    progress = await client.get(path)
                    status.update(f"{DONE[change]}: {progress['count']:,}")
            except asyncio.CancelledError:
                await client.post(f"{path}/stop")
                raise
    count = progress["count"]
    if progress["state"] != "done":
        raise NotDoneError(f"{progress['state']} when {count:,} messages were {DONE[change]}; the same command goes on")
    if as_json:
        print_json({DONE[change]: count})
    else:
        print_line(f"{DONE[change]} {count:,} message{'' if count == 1 else 's'}")


def _confirm(change: Change, filters: Mapping[str, str]) -> None:
    meant = ", ".join(f"{name} {value}" for name, value in filters.items()) or "ALL of them"
    try:
        agreed = typer.confirm(f"{change.capitalize()} messages: {meant}?", err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise SelectionError("not confirmed, so nothing was changed; --yes changes them without asking")
