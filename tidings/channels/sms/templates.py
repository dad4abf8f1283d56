"""What a request to a gateway is made of: texts with placeholders, such as `{to}`. Pure.

Compiled once for each gateway. What a placeholder stands for is put in as it is, and never looked at for placeholders.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Values = Mapping[str, str]
Template = Callable[[Values], str]

_PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")

OF_MESSAGE: Final = frozenset(
    {"to", "digits", "from", "from_digits", "content", "hex", "id", "parts", "callback", "timestamp"}
)
"""What a message fills in. `digits` and `from_digits` are numbers without their plus; `hex` is the text in UTF-16;
`callback` is where reports of its delivery go, empty where they cannot come."""
NUMBERS: Final = frozenset({"parts", "timestamp"})
"""Those that JSON has as numbers, where they stand by themselves."""


def placeholders(value: Any) -> frozenset[str]:
    """All that stand in a template, or in those of a nested one."""
    if isinstance(value, str):
        return frozenset(_PLACEHOLDER.findall(value))
    if isinstance(value, Mapping):
        return frozenset().union(*map(placeholders, value.values()))
    if isinstance(value, list | tuple):
        return frozenset().union(*map(placeholders, value))
    return frozenset()


def compile_text(text: str, quote: Callable[[str], str] | None = None) -> Template:
    """A text as a function of the values; `quote` is applied to each value, not to what stands around it."""
    pieces = _PLACEHOLDER.split(text)
    if len(pieces) == 1:
        return lambda _: text
    if quote is None and pieces[0] == pieces[-1] == "" and len(pieces) == 3:  # noqa: PLR2004
        name = pieces[1]
        return lambda values: values.get(name, "")

    def filled(values: Values) -> str:
        return "".join(
            piece if number % 2 == 0 else quote(values.get(piece, "")) if quote else values.get(piece, "")
            for number, piece in enumerate(pieces)
        )

    return filled


def compile_fields(fields: Mapping[str, Any]) -> Callable[[Values], dict[str, Any]]:
    """Nested fields as a function of the values. A field that is nothing but an empty value is left out."""
    compiled = [(name, _compile(value)) for name, value in fields.items()]

    def filled(values: Values) -> dict[str, Any]:
        made = ((name, make(values)) for name, make in compiled)
        return {name: value for name, value in made if value not in ("", None, [], {})}

    return filled


def _compile(value: Any) -> Callable[[Values], Any]:
    if isinstance(value, str):
        found = _PLACEHOLDER.fullmatch(value)
        if found is not None and found[1] in NUMBERS:
            name = found[1]
            return lambda values: int(values[name]) if values.get(name) else None
        return compile_text(value)
    if isinstance(value, Mapping):
        return compile_fields(value)
    if isinstance(value, list):
        compiled = [_compile(each) for each in value]
        return lambda values: [made for make in compiled if (made := make(values)) not in ("", None, [], {})]
    return lambda _: value
