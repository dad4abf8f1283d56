"""From JSON to dataclasses, by their annotations; each class is looked through once."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

T = TypeVar("T")
Decode = Callable[[Any], Any]


class _Field(NamedTuple):
    attribute: str
    name: str
    decode: Decode | None
    required: bool


def json_name(attribute: str) -> str:
    """The name in JSON of an attribute or argument, which may be one that Python keeps for itself."""
    return attribute.rstrip("_")


def decode(kind: type[T], data: Mapping[str, Any]) -> T:
    """An instance of a dataclass. A field that the API does not send is its default, or None."""
    values: dict[str, Any] = {}
    for field in _fields(kind):
        if field.name in data:
            value = data[field.name]
            values[field.attribute] = value if field.decode is None or value is None else field.decode(value)
        elif field.required:
            values[field.attribute] = None
    return kind(**values)


def parse_time(text: str) -> datetime:
    """A time as the API writes it."""
    # Python 3.10 does not know the Z.
    return datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)


_known: Final[dict[Any, Sequence[_Field]]] = {}
_LEAVES: Final[Mapping[Any, Decode]] = {datetime: parse_time, UUID: UUID}


def _fields(kind: Any) -> Sequence[_Field]:
    if kind not in _known:
        _known[kind] = _looked_through(kind)
    return _known[kind]


def _looked_through(kind: Any) -> Sequence[_Field]:
    hints = get_type_hints(kind)
    return tuple(
        _Field(
            field.name,
            json_name(field.name),
            _decoder(hints[field.name]),
            field.default is MISSING and field.default_factory is MISSING,
        )
        for field in fields(kind)
    )


def _decoder(hint: Any) -> Decode | None:
    """None for what is in Python as it is in JSON."""
    if hint in _LEAVES:
        return _LEAVES[hint]
    if get_origin(hint) in {types.UnionType, Union}:
        [inner] = [each for each in get_args(hint) if each is not type(None)]
        return _decoder(inner)
    if get_origin(hint) is Sequence:
        each = _decoder(get_args(hint)[0])
        return tuple if each is None else lambda values: tuple(map(each, values))
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda data: decode(hint, data)
    return None
