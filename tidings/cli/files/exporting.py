"""`tidings export`: every message that passes the filters, as NDJSON or CSV, page by page, so in constant memory.

`tidings suppressions export` and `tidings audit export` write suppressions and the audit log in the same way.

A file appears under its name when it is whole; until then it is `NAME.part`. The order is that of the API, the newest
message first; what is accepted meanwhile is left out, and what changes meanwhile may be exported before or after.
"""

import csv
import io
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
from rich.console import Console

from tidings.cli.client import ApiClient
from tidings.cli.files.formulas import guarded
from tidings.cli.files.reading import FIELDS
from tidings.cli.options import Api
from tidings.domain.errors import TidingsError

PAGE: Final = 500
PATIENCE_SECONDS: Final = 30.0
"""How long an export waits for an API that is away."""
EXPORTED: Final = (
    "id",
    *FIELDS,
    "from",
    "parts",
    "status",
    "cancel_reason",
    "tries",
    "recoveries",
    "created_at",
    "sent_at",
    "provider_message_id",
    "endpoint_id",
    "event_id",
    "last_error",
    "held_reason",
    "held_since",
    "receipt",
    "receipt_at",
    "receipt_detail",
)
"""The columns of messages by default."""
SUPPRESSED: Final = ("address", "reason", "since", "detail", "message_id", "user_id", "id")
AUDITED: Final = (
    *(
        "created_at",
        "actor",
        "user_id",
        "key_id",
        "session_id",
        "address",
        "action",
        "subject",
        "owner",
        "detail",
        "id",
    ),
)
MESSAGES: Final = "messages"
SUPPRESSIONS: Final = "suppressions"
AUDIT: Final = "audit"
_COLUMNS: Final = {MESSAGES: EXPORTED, SUPPRESSIONS: SUPPRESSED, AUDIT: AUDITED}
"""By what is exported, which is the last part of its path too."""
FORMATS: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}


class ExportError(TidingsError):
    """What was asked for cannot be written."""


async def export(
    filters: Mapping[str, str],
    *,
    path: Path | None,
    file_format: str | None,
    fields: Sequence[str],
    api: Api,
    what: str = MESSAGES,
) -> None:
    """Writes the messages, or `what` else, to a file, or to standard output where there is none. Raises ExportError."""
    chosen, columns = _format(path, file_format), _COLUMNS[what]
    unknown = [field for field in fields if field not in columns]
    if unknown:
        raise ExportError(f"--fields: {', '.join(unknown)}: unknown; known are {', '.join(columns)}")
    console = Console(stderr=True)
    count = 0
    with _target(path) as out, console.status("exporting") as status:
        writer = _Writer(out, chosen, fields or columns)
        async with ApiClient(api.url, api.api_key, patience_seconds=PATIENCE_SECONDS) as client:
            async for page in _pages(client, what, filters):
                writer.write(page)
                count += len(page)
                status.update(f"{count:,} exported")
    console.print(f"{count:,} exported", highlight=False)


async def _pages(client: ApiClient, what: str, filters: Mapping[str, str]) -> AsyncIterator[list[dict[str, Any]]]:
    parameters = {**filters, "limit": str(PAGE)}
    while True:
        page = await client.get(f"/api/v1/{what}", parameters)
        for entry in page[what]:
            if entry.get("content_truncated"):
                entry["content"] = (await client.get(f"/api/v1/{what}/{entry['id']}", {}))["content"]
        yield page[what]
        if page["next_cursor"] is None:
            return
        parameters["cursor"] = page["next_cursor"]


class _Writer:
    """Writes messages with the chosen fields; a CSV begins with their names."""

    def __init__(self, out: TextIO, file_format: str, fields: Sequence[str]) -> None:
        self._out = out
        self._fields = fields
        self._rows = csv.writer(out, lineterminator="\r\n") if file_format == "csv" else None
        if self._rows:
            self._rows.writerow(fields)

    def write(self, messages: Sequence[Mapping[str, Any]]) -> None:
        chosen = [{field: message[field] for field in self._fields} for message in messages]
        if self._rows:
            self._rows.writerows([_cell(value) for value in message.values()] for message in chosen)
        else:
            self._out.writelines(_without_nothing(message) for message in chosen)


def _cell(value: object) -> object:
    match value:
        case dict():
            return msgspec.json.encode(value).decode()
        case str():
            return guarded(value)
    return value


def _without_nothing(message: Mapping[str, object]) -> str:
    # What is absent says the same as null, and a message without nulls can be imported.
    given = {name: value for name, value in message.items() if value is not None}
    return msgspec.json.encode(given).decode() + "\n"


def _format(path: Path | None, file_format: str | None) -> str:
    if file_format is not None:
        if file_format not in FORMATS.values():
            raise ExportError(f"--format: {file_format!r} is none of ndjson, csv")
        return file_format
    if path is None:
        return "ndjson"
    if path.suffix.lower() not in FORMATS:
        raise ExportError(f"{path}: the name must end in .ndjson, .jsonl or .csv, or --format say what it is")
    return FORMATS[path.suffix.lower()]


@contextmanager
def _target(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield _standard_output()
        return
    if path.exists():
        raise ExportError(f"{path}: exists already; name a new file, or remove it")
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            yield file
        unfinished.rename(path)
    except OSError as error:
        raise ExportError(f"{error.filename or path}: {error.strerror}") from None


def _standard_output() -> TextIO:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # CSV writes its own ends of lines, and a message may hold any letter.
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    return sys.stdout
