"""`tidings audit`: who changed what, when and from where."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tidings.cli.client import ApiClient
from tidings.cli.options import Api
from tidings.cli.printing import print_json, print_line, print_table, printable, shown_time
from tidings.cli.times import before_now
from tidings.domain.timestamps import utc_now

if TYPE_CHECKING:
    from tidings.cli.audit_commands import Which

_COLUMNS: Final = ("when (UTC)", "who", "from", "did", "to", "detail")


def query(which: "Which") -> dict[str, str]:
    """The parameters for the API. Raises TimestampError."""
    now = utc_now()
    given = {
        "user_id": which.user,
        "action": which.action,
        "subject": which.subject,
        "created_from": which.since and before_now(which.since, now=now).isoformat(),
        "created_until": which.until and before_now(which.until, now=now).isoformat(),
    }
    return {name: value for name, value in given.items() if value is not None}


async def show(parameters: Mapping[str, str], *, api: Api, as_json: bool) -> None:
    """Prints a page."""
    async with ApiClient(api.url, api.api_key) as client:
        found = await client.get("/api/v1/audit", parameters)
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, [_cells(each) for each in found["audit"]])
    if found["next_cursor"] is not None:
        print_line("there are more: tidings audit export writes all")


def _cells(entry: Mapping[str, Any]) -> list[str]:
    return [
        shown_time(entry["created_at"]),
        entry["user_id"] or entry["actor"].replace("_", " "),
        printable(entry["address"] or "-"),
        entry["action"],
        printable(entry["subject"] or "-"),
        printable(msgspec.json.encode(entry["detail"]).decode()) if entry["detail"] else "",
    ]
