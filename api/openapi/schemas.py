"""The types of requests and responses as JSON Schema (2020-12): one component for each struct."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

REFERENCE: Final = "#/components/schemas/{name}"

Schema = dict[str, Any]


def schemas_of(types: Sequence[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """A schema for each type, and the components that they refer to, by name."""
    found, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    for info in _structs(msgspec.inspect.multi_type_info(types)):
        struct = info.cls
        # msgspec tells types of the same name apart by their modules.
        component = components.get(struct.__name__) or components[f"{struct.__module__}.{struct.__qualname__}"]
        for field in info.fields:
            schema = component.get("properties", {}).get(field.encode_name)
            if schema is not None:
                _mark_times(schema, field.type)
    return list(found), components


def _mark_times(schema: Schema, info: msgspec.inspect.Type) -> None:
    """Says of texts that are times that they are: msgspec does so only where it asks for an offset."""
    match info:
        case msgspec.inspect.Metadata(type=described):
            _mark_times(schema, described)
        case msgspec.inspect.DateTimeType():
            schema["format"] = "date-time"
        case msgspec.inspect.UnionType(types=types):
            for each in types:
                if isinstance(each, msgspec.inspect.DateTimeType):
                    [text] = [option for option in schema["anyOf"] if option.get("type") == "string"]
                    _mark_times(text, each)
        case msgspec.inspect.ListType(item_type=item) | msgspec.inspect.CollectionType(item_type=item):
            _mark_times(schema["items"], item)


def _structs(infos: Sequence[msgspec.inspect.Type]) -> Iterator[msgspec.inspect.StructType]:
    """Every struct that is part of the types, once."""
    waiting: list[Any] = list(infos)
    seen: set[type] = set()
    while waiting:
        match waiting.pop():
            case msgspec.inspect.StructType() as info:
                if info.cls not in seen:
                    seen.add(info.cls)
                    waiting += (field.type for field in info.fields)
                    yield info
            case msgspec.inspect.UnionType(types=types):
                waiting += types
            case other:
                parts = (getattr(other, name, None) for name in ("type", "item_type", "value_type"))
                waiting += (part for part in parts if part is not None)
