"""`settings.md`, made from `tidings/settings/fields.py`, so that a setting is declared and described in one place.

    python -m docs.settings_page    writes the file, in a checkout

A description is the one of the field's type; a section begins with the field whose type names it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tidings.settings import SECRETS, Settings
from tidings.settings import fields as settings

FILE: Final = Path(__file__).parent / "settings.md"

_INTRODUCTION: Final = """\
<!-- Made from tidings/settings/fields.py by `python -m docs.settings_page`; changes belong there. -->

# Settings

Every process reads its settings once, at its start: from the environment and, where `VAULT_ADDR` is set, from Vault,
which holds them under the same names; the environment wins. An empty variable counts as not set. A wrong value, or two
that contradict each other, ends the process with exit code 2 and one line that names the setting.

A 🔒 marks a secret: its value appears in no log and in no message.
"""


class Section(msgspec.Struct):
    """Settings that belong together."""

    title: str
    rows: list["Row"]


class Row(msgspec.Struct):
    name: str
    default: str
    values: str
    meaning: str


def render() -> str:
    """The whole document."""
    parts = [_INTRODUCTION]
    for section in sections():
        parts.append(f"\n## {section.title}\n\n| setting | default | value | meaning |\n|---|---|---|---|\n")
        parts += [f"| {row.name} | {row.default} | {row.values} | {row.meaning} |\n" for row in section.rows]
    return "".join(parts)


def sections() -> Iterator[Section]:
    """The settings in the order in which they are declared."""
    section = None
    for field in msgspec.structs.fields(Settings):
        kind = msgspec.inspect.type_info(field.type)
        if not isinstance(kind, msgspec.inspect.Metadata):
            raise TypeError(f"{field.name} has no description")
        if title := (kind.extra or {}).get("section"):
            if section is not None:
                yield section
            section = Section(title=title, rows=[])
        if section is None:
            raise ValueError(f"{field.name} belongs to no section")
        section.rows.append(_row(field, kind))
    if section is not None:
        yield section


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _row(field: msgspec.structs.FieldInfo, kind: msgspec.inspect.Metadata) -> Row:
    name = f"`{field.name.upper()}`"
    return Row(
        name=f"{name} 🔒" if field.name in SECRETS else name,
        default=_default(field),
        values=_values(kind.type),
        meaning=_one_line((kind.extra_json_schema or {})["description"]),
    )


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        factory = field.default_factory
        return (
            _one_line(factory.__doc__ or "") if factory.__module__ == settings.__name__ else f"`{factory.__name__}()`"
        )
    match field.default:
        case "" | None:
            return ""
        case tuple() | frozenset() as values:
            return f"`{','.join(_written(value) for value in values)}`" if values else ""
        case value:
            return f"`{_written(value)}`"


def _written(value: object) -> str:
    """As the environment has it."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _values(kind: Any) -> str:
    match kind:
        case msgspec.inspect.IntType():
            return _range("whole number", kind)
        case msgspec.inspect.FloatType():
            return _range("number", kind)
        case msgspec.inspect.BoolType():
            return "`true` or `false`"
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.FrozenSetType(item_type=item):
            return f"{_values(item)}s, comma-separated"
        case _:
            return "text"


def _range(noun: str, kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f"{noun}, {_written(kind.ge)} to {_written(kind.le)}"
    if kind.ge is not None:
        return f"{noun}, at least {_written(kind.ge)}"
    if kind.gt is not None:
        return f"{noun} over {_written(kind.gt)}"
    return noun


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
