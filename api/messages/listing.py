"""Which page of the messages a query string asks for, and the cursor that names the next one.

The cursor is the id of the last message, opaque to the client: URL-safe base64 without padding (RFC 4648, section 5).
Ids are ordered by time, so a page begins where the last one ended, whatever was accepted in between.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from multidict import MultiMapping

from api.http.lengths import MAX_NAME, MAX_PARAMETER, MAX_TIME
from api.http.principal import Reach
from api.http.problems import Fault, InvalidError
from sql.lists import MessageFilter
from tidings.domain.states import HeldReason, ReceiptFilter, Status
from tidings.domain.timestamps import parse_timestamp

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
EPOCH: Final = datetime.fromtimestamp(0, UTC)

T = TypeVar("T")
Parsers = Mapping[str, Callable[[str], object]]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What to show: messages that pass the filter and are older than `before`, up to `limit`."""

    filter: MessageFilter
    before: UUID | None
    limit: int


def parse_page(query: MultiMapping[str], reach: Reach) -> Page:
    """Reads the parameters, and names every wrong one. Raises InvalidError."""
    values = values_of(query, _PARSERS)
    before: UUID | None = values.pop("cursor", None)
    limit: int = values.pop("limit", DEFAULT_LIMIT)
    return Page(filter=MessageFilter(**reach.filter, **values), before=before, limit=limit)


def parse_position(query: MultiMapping[str]) -> tuple[UUID | None, int]:
    """The cursor and the limit, for lists that have no filters. Raises InvalidError."""
    values = values_of(query, PAGE_PARSERS)
    return values.get("cursor"), values.get("limit", DEFAULT_LIMIT)


_CURSOR_LENGTH: Final = 22


class CursorError(ValueError):
    """The text is not a cursor."""


def encode_cursor(last: UUID) -> str:
    """The cursor of the page after the one that ends with `last`."""
    return urlsafe_b64encode(last.bytes).rstrip(b"=").decode("ascii")


def decode_cursor(cursor: str) -> UUID:
    """The id in a cursor. Raises CursorError for a text that `encode_cursor` cannot have given."""
    try:
        last = UUID(bytes=urlsafe_b64decode(f"{cursor}==")) if len(cursor) == _CURSOR_LENGTH else None
    except (ValueError, binascii.Error):
        last = None
    # base64 reads some texts that it would not write.
    if last is None or encode_cursor(last) != cursor:
        raise CursorError("is not a cursor that a list answered")
    return last


def cut(
    found: Sequence[T], limit: int, id_of: Callable[[T], UUID], *, more: bool = False
) -> tuple[Sequence[T], str | None]:
    """The page and the cursor of the next one; `found` was read with one entry more than the limit.

    `more`: it goes on after what was found.
    """
    shown = found[:limit]
    return shown, encode_cursor(id_of(shown[-1])) if more or len(found) > len(shown) else None


def values_of(query: MultiMapping[str], parsers: Parsers) -> dict[str, Any]:
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name in dict.fromkeys(query):
        try:
            values[name] = _parse(name, query.getall(name), parsers)
        except ValueError as error:
            faults.append(Fault(field=name, detail=str(error)))
    if faults:
        raise InvalidError(faults)
    return values


def _parse(name: str, texts: list[str], parsers: Parsers) -> object:
    parser = parsers.get(name)
    if parser is None:
        raise ValueError(f"is unknown; known are {', '.join(parsers)}")
    if len(texts) > 1:
        raise ValueError("is given more than once")
    return parser(texts[0])


def up_to(most: int, parse: Callable[[str], T]) -> Callable[[str], T]:
    """The parser, for texts of at most so many characters: a longer one is not looked at."""

    def bounded(text: str) -> T:
        if len(text) > most:
            raise ValueError(f"is longer than {most} characters")
        return parse(text)

    return bounded


def _status(text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Status)}") from None


def _held(text: str) -> HeldReason:
    try:
        return HeldReason(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(HeldReason)}") from None


def _receipt(text: str) -> ReceiptFilter:
    try:
        return ReceiptFilter(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(ReceiptFilter)}") from None


def parse_text(text: str) -> str:
    """A text to compare with. Raises ValueError for one that the store cannot hold."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("is not valid text")
    return text


def parse_created(value: str | float) -> datetime:
    """A time by which messages are filtered. Raises TimestampError."""
    # Nothing is older than the epoch, and ids count from there.
    return max(parse_timestamp(value), EPOCH)


def parse_limit(text: str) -> int:
    """How many entries a page has. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


PAGE_PARSERS: Final[Parsers] = {"limit": parse_limit, "cursor": decode_cursor}
_PARSERS: Final[Parsers] = {
    "status": _status,
    "channel": up_to(MAX_NAME, parse_text),
    "queue": up_to(MAX_NAME, parse_text),
    "recipient": up_to(MAX_PARAMETER, parse_text),
    "held": _held,
    "receipt": _receipt,
    "created_from": up_to(MAX_TIME, parse_created),
    "created_until": up_to(MAX_TIME, parse_created),
    **PAGE_PARSERS,
}
