"""`tidings holds`: the endpoints that wait until somebody releases them."""

from http import HTTPStatus
from typing import Final

from tidings.cli import NotDoneError
from tidings.cli.client import ApiClient, ApiError
from tidings.cli.options import Api
from tidings.cli.printing import print_json, print_line, print_table, printable, shown_time

_HOLDS: Final = "/api/v1/holds"
_COLUMNS: Final = ("id", "since (UTC)", "channel", "endpoint", "user", "reason", "what was said")


async def show(*, api: Api, as_json: bool) -> None:
    """Prints all holds that the caller may see."""
    async with ApiClient(api.url, api.api_key) as client:
        found = await client.get(_HOLDS)
    if as_json:
        print_json(found)
        return
    rows = [
        [
            str(hold["id"]),
            shown_time(hold["since"]),
            printable(hold["channel"]),
            printable(hold["endpoint"]),
            str(hold["user_id"] or "everybody"),
            str(hold["reason"]),
            printable(hold["last_error"] or ""),
        ]
        for hold in found["holds"]
    ]
    print_table(_COLUMNS, rows)


async def release(hold_id: str, *, api: Api, as_json: bool) -> None:
    """Releases one. Raises NotDoneError where there is none."""
    async with ApiClient(api.url, api.api_key) as client:
        try:
            released = await client.post(f"{_HOLDS}/{hold_id}/release")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raise NotDoneError(f"{printable(hold_id)}: there is no such hold") from None
    if as_json:
        print_json(released)
        return
    endpoint = printable(f"{released['hold']['channel']} {released['hold']['endpoint']}")
    print_line(f"released {endpoint}; {released['messages']:,} messages go in a few seconds")
