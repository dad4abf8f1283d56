"""`tidings send`, `schedule`, `list` and `show`: one message in, a page of messages or a single one out."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final, TypeVar

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tidings.cli import NotDoneError
from tidings.cli.client import ApiClient, ApiError
from tidings.cli.options import Api, Draft, Filter
from tidings.cli.printing import (
    STATUS_STYLES,
    print_json,
    print_line,
    print_table,
    printable,
    rfc3339,
    shown_time,
    wide_console,
)
from tidings.cli.times import TimeError, before_now, from_now
from tidings.domain.timestamps import utc_now
from tidings_client.paths import of_message

Value = TypeVar("Value")

NO_MESSAGE: Final = "there is no such message"
"""For what is no id at all, too, of which the API says that there is nothing under such a path."""
COLUMNS: Final = ("id", "due (UTC)", "channel", "recipient", "status", "tries", "content")


def scheduled_for(*, at: str | None, after: str | None) -> str:
    """The time that `--at` or `--in` names, as the API takes it. Raises TimeError, also for a time in the past."""
    if (at is None) == (after is None):
        raise TimeError("no time, or two; give one of --at TIME and --in DURATION, not both")
    now = utc_now()
    found = from_now(after or at or "", now=now)
    if found <= now:
        raise TimeError(f"{at or after!r} is past; to send now: tidings send")
    return rfc3339(found)


async def send(draft: Draft, *, due_at: str | None, api: Api, as_json: bool) -> None:
    """Posts a message. Its times may be as people type them."""
    body = _given({**asdict(draft), "due_at": due_at, **_mail(draft)})
    key = body.pop("idempotency_key", None)
    for field in body.keys() & {"due_at", "expires_at"}:
        body[field] = rfc3339(from_now(str(body[field]), now=utc_now()))
    async with ApiClient(api.url, api.api_key) as client:
        accepted = await client.post("/api/v1/messages", body, key=key)
    if as_json:
        print_json(accepted)
    else:
        print_line(f"accepted {accepted['id']}, due {accepted['due_at']}")


def _mail(draft: Draft) -> dict[str, Any]:
    """What a mail has besides its text, as the API takes it. Raises NotDoneError for a file that cannot be read."""
    try:
        html = draft.html and draft.html.read_text("utf-8")
        files = [(path.name, b64encode(path.read_bytes()).decode()) for path in draft.attach or ()]
    except (OSError, UnicodeDecodeError) as error:
        raise NotDoneError(f"a file cannot be read: {error}") from None
    return {
        "html": html,
        "attach": None,
        "attachments": [{"filename": name, "content": content} for name, content in files] or None,
        "cc": draft.cc or None,
        "bcc": draft.bcc or None,
        "unsubscribe": draft.unsubscribe or None,
        "sender": None,
        "from": draft.sender,
        "content": draft.content or None,
    }


def query_of(which: Filter, **more: str | None) -> dict[str, str]:
    """The filter as the API takes it. Raises TimeError."""
    query = {name: getattr(which, name) for name in ("status", "channel", "queue", "recipient", "held")}
    now = utc_now()
    for parameter, text in (("created_from", which.since), ("created_until", which.until)):
        query[parameter] = text and rfc3339(before_now(text, now=now))
    return _given({**query, **more})


async def show_page(which: Filter, *, limit: int, cursor: str | None, api: Api, as_json: bool) -> None:
    """Prints the newest messages that pass the filter, or those that follow a cursor."""
    async with ApiClient(api.url, api.api_key) as client:
        page = await client.get("/api/v1/messages", query_of(which, limit=str(limit), cursor=cursor))
    if as_json:
        print_json(page)
        return
    print_table(COLUMNS, [_cells(message) for message in page["messages"]])


async def show_one(message_id: str, *, api: Api, as_json: bool) -> None:
    """Prints one message with its attempts. Raises NotDoneError where there is no such message."""
    async with ApiClient(api.url, api.api_key) as client:
        message = await get_known(client, message_id)
        attempts = (await get_known(client, message_id, "/attempts"))["attempts"]
    if as_json:
        print_json({**message, "attempts": attempts})
        return
    wide_console().print(Group(_sheet(message), *_history(attempts)))


async def get_known(client: ApiClient, message_id: str, what: str = "") -> Any:
    """A message, or something of it. Raises NotDoneError where there is no such message."""
    try:
        return await client.get(of_message(message_id, what))
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise NotDoneError(f"{printable(message_id)}: {NO_MESSAGE}") from None


def _cells(message: Mapping[str, Any]) -> Sequence[Text | str]:
    return [
        str(message["id"]),
        shown_time(message["due_at"]),
        str(message["channel"]),
        printable(message["recipient"]),
        _status(message),
        f"{message['tries']}/{message['max_tries']}",
        printable(message["content"]),
    ]


def _status(message: Mapping[str, Any]) -> Text:
    status, reason = str(message["status"]), message.get("cancel_reason") or _waits_for(message)
    return Text(f"{status} ({reason})" if reason else status, style=STATUS_STYLES.get(status, ""))


def _waits_for(message: Mapping[str, Any]) -> str | None:
    held = message.get("held_reason")
    return held and f"held: {held}"


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
        elif name == "mail":
            for row in _mail_rows(value):
                sheet.add_row(*row)
        elif name == "retry":
            sheet.add_row("tried again", Text(f"after {', '.join(f'{seconds:g}' for seconds in value['delays'])} s"))
        elif value not in (None, "") and name not in {"cancel_reason", "held_reason"}:
            sheet.add_row(name.replace("_", " "), Text(_shown(name, value)))
    return sheet


def _mail_rows(mail: Mapping[str, Any]) -> list[tuple[str, Text]]:
    rows = []
    for name in ("from", "cc", "bcc", "reply_to"):
        boxes = mail[name] if isinstance(mail[name], list) else [mail[name]] if mail[name] else []
        shown = [f"{box['name']} <{box['email']}>" if box.get("name") else box["email"] for box in boxes]
        rows.append((name.replace("_", " "), ", ".join(shown)))
    rows.append(("html", f"{len(mail['html']):,} letters" if mail["html"] else ""))
    files = [f"{each['filename'] or each['content_type']} ({each['size']:,} bytes)" for each in mail["attachments"]]
    rows.append(("attachments", ", ".join(files)))
    rows.append(("not yet to", ", ".join(mail["remaining"] or ())))
    return [(name, Text(printable(text))) for name, text in rows if text]


def _shown(name: str, value: object) -> str:
    if name.endswith(("_at", "_since")):
        return f"{shown_time(value)} UTC"
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
            shown_time(attempt["started_at"]),
            f"{attempt['duration'] * 1000:,.0f} ms",
            str(attempt["outcome"]),
            "" if attempt["status_code"] is None else str(attempt["status_code"]),
            Text(printable(attempt["consumer"])),
            Text(said),
        )
    return [Text(), table]


def _given(values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}
