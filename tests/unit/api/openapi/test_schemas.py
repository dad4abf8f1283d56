"""api/openapi/schemas.py"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from api.openapi.schemas import field_texts, schemas_of


class Base(msgspec.Struct, kw_only=True):
    """Below the others."""

    first: int
    """The first
    of all."""
    second: int = msgspec.field(name="2nd", default=2)
    """The second."""


class Thing(Base, kw_only=True):
    """A thing."""

    made_at: datetime
    gone_at: datetime | None
    """When it went."""
    seen_at: Sequence[datetime]
    parts: dict[str, list["Part"]]


class Part(msgspec.Struct):
    """A part."""

    name: str
    """What it is called."""


class Row(msgspec.Struct, array_like=True):
    """An array in JSON, whose fields have no names there."""

    at: datetime
    """When."""


def test_the_text_below_a_field_is_its_description() -> None:
    assert field_texts(Thing) == {"first": "The first of all.", "second": "The second.", "gone_at": "When it went."}
    _, components = schemas_of([list[Thing] | None])
    properties = components["Thing"]["properties"]
    assert properties["first"]["description"] == "The first of all."
    assert properties["2nd"]["description"] == "The second."
    assert "description" not in properties["made_at"]
    assert components["Part"]["properties"]["name"]["description"] == "What it is called."


def test_times_are_told_from_other_texts() -> None:
    _, components = schemas_of([Thing])
    properties = components["Thing"]["properties"]
    assert properties["made_at"] == {"type": "string", "format": "date-time"}
    assert {"type": "string", "format": "date-time"} in properties["gone_at"]["anyOf"]
    assert properties["seen_at"]["items"] == {"type": "string", "format": "date-time"}
    assert "format" not in components["Part"]["properties"]["name"]


def test_types_of_one_name_are_told_apart() -> None:
    another = msgspec.defstruct("Part", [("number", int)], module="elsewhere")
    _, components = schemas_of([Part, another])
    assert {tuple(schema["properties"]) for schema in components.values()} == {("name",), ("number",)}
    described = [schema for schema in components.values() if "name" in schema["properties"]]
    assert described[0]["properties"]["name"]["description"] == "What it is called."


def test_a_type_without_a_source_has_no_texts() -> None:
    assert field_texts(msgspec.defstruct("Made", [("number", int)], module="elsewhere")) == {}


def test_an_array_has_no_names_to_describe() -> None:
    [schema], components = schemas_of([Row])
    assert schema == {"$ref": "#/components/schemas/Row"}
    assert components["Row"]["type"] == "array"
