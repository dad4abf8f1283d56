"""api/openapi/schemas.py"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from api.openapi.schemas import schemas_of


class Base(msgspec.Struct, kw_only=True):
    """Below the others."""

    first: Annotated[int, Meta(description="The first of all.")]
    second: Annotated[int, Meta(description="The second.")] = msgspec.field(name="2nd", default=2)


class Thing(Base, kw_only=True):
    """A thing."""

    made_at: datetime
    gone_at: Annotated[datetime | None, Meta(description="When it went.")]
    seen_at: Sequence[datetime]
    parts: dict[str, list["Part"]]


class Part(msgspec.Struct):
    """A part."""

    name: Annotated[str, Meta(description="What it is called.")]


class Row(msgspec.Struct, array_like=True):
    """An array in JSON, whose fields have no names there."""

    at: Annotated[datetime, Meta(description="When.")]


def test_a_field_has_the_description_of_its_type() -> None:
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


def test_an_array_has_no_names_to_describe() -> None:
    [schema], components = schemas_of([Row])
    assert schema == {"$ref": "#/components/schemas/Row"}
    assert components["Row"]["type"] == "array"
