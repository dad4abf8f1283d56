"""`tidings explain`: why a message is not sent yet, and what happens next, in the API's own words."""

from datetime import datetime
from typing import Any

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from api.explain.schemas import Explanation, LastTry
from tidings.cli.client import ApiClient
from tidings.cli.messages import get_known
from tidings.cli.options import Api
from tidings.cli.printing import print_json, printable, rfc3339, shown_time, wide_console


async def explain(message_id: str, *, api: Api, as_json: bool) -> None:
    """Prints the explanation. Raises NotDoneError where there is no such message."""
    async with ApiClient(api.url, api.api_key) as client:
        answer = await get_known(client, message_id, "/explain")
    if as_json:
        print_json(answer)
    else:
        wide_console().print(_in_words(msgspec.convert(answer, Explanation)))


def _in_words(explanation: Explanation) -> Group:
    following = explanation.next
    lines = [Text(printable(explanation.summary), style="bold")]
    if following is None:
        lines.append(Text("Nothing more will happen by itself."))
    else:
        at = f" ({shown_time(rfc3339(following.at))} UTC)" if following.at else ""
        lines.append(Text(f"Next: {printable(following.what)}{at}"))
    return Group(*lines, Text(), _facts(explanation))


def _facts(explanation: Explanation) -> Table:
    sheet = Table(box=None, show_header=False, pad_edge=False)
    sheet.add_column(style="dim", no_wrap=True)
    sheet.add_column(overflow="fold")
    sheet.add_row("reason", explanation.reason.value)
    for name, value in msgspec.structs.asdict(explanation.facts).items():
        if value is not None:
            sheet.add_row(name.replace("_", " "), Text(_shown(value)))
    return sheet


def _shown(value: Any) -> str:
    if isinstance(value, LastTry):
        said = " ".join(printable(str(part)) for part in (value.status_code, value.error) if part is not None)
        at = shown_time(rfc3339(value.started_at))
        return f"number {value.number} at {at} UTC by {printable(value.consumer)}: {said}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{shown_time(rfc3339(value))} UTC" if isinstance(value, datetime) else printable(str(value))
