"""Which page of the messages a query string asks for."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from multidict import MultiMapping

from api.http.problems import Fault, InvalidError
from api.messages import cursor
from sql.messages import MessageFilter
from tidings.domain.states import Status
from tidings.domain.timestamps import parse_timestamp

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
EPOCH: Final = datetime.fromtimestamp(0, UTC)

Parsers = Mapping[str, Callable[[str], object]]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What to show: messages that pass the filter and are older than `before`, up to `limit`."""

    filter: MessageFilter
    before: UUID | None
    limit: int


def parse_page(query: MultiMapping[str], user_id: UUID | None) -> Page:
    """Reads the parameters, and names every wrong one. Raises InvalidError."""
    values = _values(query, _PARSERS)
    before: UUID | None = values.pop("cursor", None)
    limit: int = values.pop("limit", DEFAULT_LIMIT)
    return Page(filter=MessageFilter(user_id=user_id, **values), before=before, limit=limit)


def parse_place(query: MultiMapping[str]) -> tuple[UUID | None, int]:
    """The cursor and the limit, for lists that have no filters. Raises InvalidError."""
    values = _values(query, _PLACE_PARSERS)
    return values.get("cursor"), values.get("limit", DEFAULT_LIMIT)


def _values(query: MultiMapping[str], parsers: Parsers) -> dict[str, Any]:
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


def _status(text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Status)}") from None


def _text(text: str) -> str:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("is not valid text")
    return text


def _moment(text: str) -> datetime:
    # Nothing is older than the epoch, and ids count from there.
    return max(parse_timestamp(text), EPOCH)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


_PLACE_PARSERS: Final[Parsers] = {"limit": _limit, "cursor": cursor.decode}
_PARSERS: Final[Parsers] = {
    "status": _status,
    "channel": _text,
    "queue": _text,
    "recipient": _text,
    "created_from": _moment,
    "created_until": _moment,
    **_PLACE_PARSERS,
}
