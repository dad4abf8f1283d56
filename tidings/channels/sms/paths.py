"""Where a value stands in an answer of a provider: `messages.0.status`. Pure.

Parts are separated by dots; a number is a place in a list. An empty path is the whole answer.
"""

from typing import Any, Final

LONGEST: Final = 500
"""Characters of a value that is looked at: an id, a status, a sentence."""


def find(document: Any, path: str) -> Any:
    """The value at a path; None where there is none."""
    for part in path.split(".") if path else ():
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and len(part) <= 4 and int(part) < len(document):  # noqa: PLR2004
            document = document[int(part)]
        else:
            return None
    return document


def text_at(document: Any, path: str) -> str:
    """The value at a path as text, as providers write it: `true`, `100`; empty where there is none."""
    value = find(document, path)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:LONGEST] if isinstance(value, str | int | float) else ""


def first_text(document: Any, paths: tuple[str, ...]) -> str:
    """The first of some paths where there is a value."""
    return next((text for path in paths if (text := text_at(document, path))), "")
