"""`tidings send`, `schedule`, `list` and `show`: one message in, a page of messages or a single one out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tidings.cli.client import IDEMPOTENCY_KEY, ApiClient, ApiError, of_message
from tidings.cli.errors import NotDoneError
from tidings.cli.printing import (
    STATUS_STYLES,
    moment,
    print_json,
    print_line,
    print_table,
    printable,
    rfc3339,
    wide_console,
)
from tidings.cli.times import TimeError, before_now, from_now
from tidings.domain.timestamps import utc_now

Value = TypeVar("Value")

NO_MESSAGE: Final = "there is no such message"
"""For what is no id at all, too, of which the API says that there is nothing under such a path."""
COLUMNS: Final = ("id", "due (UTC)", "channel", "recipient", "status", "tries", "content")


def scheduled_for(*, at: str | None, after: str | None, now: datetime) -> datetime:
    """The moment that `--at` or `--in` names. Raises TimeError, for a moment that is past too."""
    if (at is None) == (after is None):
        raise TimeError("one of --at TIME and --in DURATION is needed, and not both")
    found = from_now(after or at or "", now=now)
    if found <= now:
        raise TimeError(f"{at or after!r} is past; `tidings send` sends now")
    return found


async def send(
    message: Mapping[str, object | None], *, url: str, api_key: str, as_json: bool, idempotency_key: str | None = None
) -> None:
    """Posts a message; fields that are None are left out. Its times may be as people type them."""
    headers = None if idempotency_key is None else {IDEMPOTENCY_KEY: idempotency_key}
    body = _given(message)
    for field in ("due_at", "expires_at"):
        if isinstance(body.get(field), str):
            body[field] = rfc3339(from_now(str(body[field]), now=utc_now()))
    async with ApiClient(url, api_key) as api:
        accepted = await api.post("/api/v1/messages", body, headers)
    if as_json:
        print_json(accepted)
    else:
        print_line(f"accepted {accepted['id']}, due {accepted['due_at']}")


def filters_of(
    *,
    status: str | None = None,
    channel: str | None = None,
    queue: str | None = None,
    recipient: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> dict[str, str]:
    """The filter as the API takes it, with times as people type them. Raises TimeError."""
    now = utc_now()
    return _given(
        {
            "status": status,
            "channel": channel,
            "queue": queue,
            "recipient": recipient,
            "created_from": since and rfc3339(before_now(since, now=now)),
            "created_until": until and rfc3339(before_now(until, now=now)),
        }
    )


async def show_page(filters: Mapping[str, str | None], *, url: str, api_key: str, as_json: bool) -> None:
    """Prints the newest messages that pass the filters."""
    async with ApiClient(url, api_key) as api:
        page = await api.get("/api/v1/messages", _given(filters))
    if as_json:
        print_json(page)
        return
    print_table(COLUMNS, [_cells(message) for message in page["messages"]])


async def show_one(message_id: str, *, url: str, api_key: str, as_json: bool) -> None:
    """Prints one message with its attempts. Raises NotDoneError where there is no such message."""
    async with ApiClient(url, api_key) as api:
        message = await get_known(api, message_id)
        attempts = (await get_known(api, message_id, "/attempts"))["attempts"]
    if as_json:
        print_json({**message, "attempts": attempts})
        return
    wide_console().print(Group(_sheet(message), *_history(attempts)))


async def get_known(api: ApiClient, message_id: str, what: str = "") -> Any:
    """A message, or something of it. Raises NotDoneError where there is no such message."""
    try:
        return await api.get(of_message(message_id, what))
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise NotDoneError(f"{printable(message_id)}: {NO_MESSAGE}") from None


def _cells(message: Mapping[str, Any]) -> Sequence[Text | str]:
    return [
        str(message["id"]),
        moment(message["due_at"]),
        str(message["channel"]),
        printable(message["recipient"]),
        _status(message),
        f"{message['tries']}/{message['max_tries']}",
        printable(message["content"]),
    ]


def _status(message: Mapping[str, Any]) -> Text:
    status, reason = str(message["status"]), message.get("cancel_reason")
    return Text(f"{status} ({reason})" if reason else status, style=STATUS_STYLES.get(status, ""))


def _sheet(message: Mapping[str, Any]) -> Table:
    """Every field that says something, a line each."""
    sheet = Table(box=None, show_header=False)
    sheet.add_column(style="dim", no_wrap=True)
    sheet.add_column(overflow="fold")
    for name, value in message.items():
        if name == "status":
            sheet.add_row("status", _status(message))
        elif name == "headers" and value:
            sheet.add_row("headers", Text("\n".join(printable(f"{key}: {text}") for key, text in value.items())))
        elif value not in (None, "") and name != "cancel_reason":
            sheet.add_row(name.replace("_", " "), Text(_shown(name, value)))
    return sheet


def _shown(name: str, value: object) -> str:
    if name.endswith("_at"):
        return f"{moment(value)} UTC"
    if name == "content":
        return "\n".join(printable(line) for line in str(value).splitlines())
    return printable(str(value))


def _history(attempts: Sequence[Mapping[str, Any]]) -> list[Table | Text]:
    if not attempts:
        return [Text("no attempts yet", style="dim")]
    table = Table(box=None, header_style="dim", padding=(0, 1))
    for heading in ("try", "at (UTC)", "took", "outcome", "code", "consumer"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what was said", overflow="fold")
    for attempt in attempts:
        said = " – ".join(printable(str(attempt[part])) for part in ("error", "answer") if attempt[part])
        table.add_row(
            str(attempt["try"]),
            moment(attempt["started_at"]),
            f"{attempt['duration'] * 1000:,.0f} ms",
            str(attempt["outcome"]),
            "" if attempt["status_code"] is None else str(attempt["status_code"]),
            Text(printable(attempt["consumer"])),
            Text(said),
        )
    return [Text(), table]


def _given(values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}
