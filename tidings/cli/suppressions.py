"""`tidings suppressions`: the addresses that take no more mail."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from tidings.cli import NotDoneError
from tidings.cli.client import ApiClient, ApiError
from tidings.cli.options import Api
from tidings.cli.printing import print_json, print_line, print_table, printable, shown_time

_SUPPRESSIONS: Final = "/api/v1/suppressions"
_COLUMNS: Final = ("address", "reason", "since (UTC)", "id", "user", "what was said")


async def show(query: Mapping[str, str], *, api: Api, as_json: bool) -> None:
    """Prints a page."""
    async with ApiClient(api.url, api.api_key) as client:
        found = await client.get(_SUPPRESSIONS, query)
    if as_json:
        print_json(found)
        return
    rows = [
        [
            printable(each["address"]),
            str(each["reason"]),
            shown_time(each["since"]),
            str(each["id"]),
            str(each["user_id"] or "the operator"),
            printable(each["detail"] or ""),
        ]
        for each in found["suppressions"]
    ]
    print_table(_COLUMNS, rows)
    if found["next_cursor"] is not None:
        print_line("there are more: tidings suppressions export writes all")


async def add(addresses: Sequence[str], *, detail: str | None, api: Api, as_json: bool) -> None:
    """Puts addresses on the caller's list, one after the other. Raises NotDoneError at the first that is none."""
    async with ApiClient(api.url, api.api_key) as client:
        for address in addresses:
            try:
                added = await client.post(_SUPPRESSIONS, {"address": address, "detail": detail})
            except ApiError as error:
                if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                    raise
                raise NotDoneError(f"{printable(address)}: {error.detail}") from None
            if as_json:
                print_json(added)
            else:
                print_line(f"{printable(added['address'])} takes no more mail ({added['reason']})")


async def lift(address_or_id: str, *, api: Api, as_json: bool) -> None:
    """Takes one off its list. Raises NotDoneError where there is none, or where several users have it."""
    async with ApiClient(api.url, api.api_key) as client:
        lifted = await _lift(client, address_or_id)
    if as_json:
        print_json(lifted)
    else:
        print_line(f"{printable(lifted['address'])} takes mail again")


async def _lift(client: ApiClient, address_or_id: str) -> Any:
    suppression_id = address_or_id
    try:
        if "@" in address_or_id:
            found = (await client.get(_SUPPRESSIONS, {"address": address_or_id}))["suppressions"]
            if len(found) > 1:
                raise NotDoneError(f"{printable(address_or_id)}: {len(found)} users have it on their lists; give an id")
            suppression_id = str(found[0]["id"]) if found else "none"
        return await client.delete(f"{_SUPPRESSIONS}/{quote(suppression_id, safe='')}")
    except ApiError as error:
        if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
            raise
        raise NotDoneError(f"{printable(address_or_id)}: there is no such suppression") from None
