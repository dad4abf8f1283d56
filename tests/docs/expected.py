"""Comparing what a document shows with what came, where some of it is different each time.

`…` in text stands for anything, over several lines where it has lines to itself; in JSON the text `…` stands for any
value, and a member of that name for all members that are left out. A message id stands for the one that came in its
place: from there on, it is that one wherever the document writes it.
"""

import re
from typing import Any, Final

ANYTHING: Final = "…"
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Ids:
    """Ids as a document writes them, and what they are in truth."""

    def __init__(self) -> None:
        self._true: dict[str, str] = {}

    def in_truth(self, text: str) -> str:
        """The text with every id that is known by now replaced."""
        return _ID.sub(lambda found: self._true.get(found[0], found[0]), text)

    def learn(self, written: str, true: str) -> None:
        """From now on, `written` is `true`."""
        self._true[written] = true


def same_text(expected: str, came: str, ids: Ids) -> bool:
    """Whether the text that came is what the document shows. How many spaces there are does not count."""
    written: list[str] = []

    def pattern(part: str) -> str:
        """An id that is known is itself, one that is not is any."""
        made, end = "", 0
        for found in _ID.finditer(part):
            made += re.escape(part[end : found.start()])
            if (true := ids.in_truth(found[0])) != found[0] or found[0] in written:
                made += re.escape(true)
            else:
                written.append(found[0])
                made += f"({_ID.pattern})"
            end = found.end()
        return made + re.escape(part[end:])

    lines = []
    for line in _lines(expected):
        if line == ANYTHING:
            lines.append(r"(?:.*\n)*")
        else:
            lines.append("[^\n]*".join(map(pattern, line.split(ANYTHING))) + r"\n")
    found = re.fullmatch("".join(lines), "".join(f"{line}\n" for line in _lines(came)))
    for name, true in zip(written, found.groups() if found else (), strict=False):
        ids.learn(name, true)
    return found is not None


def same_json(expected: Any, came: Any, ids: Ids) -> bool:
    """Whether the JSON that came is what the document shows."""
    match expected, came:
        case str(), _ if expected == ANYTHING:
            return True
        case str(), str() if _ID.fullmatch(expected) and ids.in_truth(expected) == expected and _ID.fullmatch(came):
            ids.learn(expected, came)
            return True
        case str(), str():
            return same_text(expected, came, ids)
        case dict(), dict():
            members = expected.keys() - {ANYTHING}
            complete = ANYTHING in expected or members == came.keys()
            return complete and all(name in came and same_json(expected[name], came[name], ids) for name in members)
        case list(), list():
            alike = len(expected) == len(came)
            return alike and all(same_json(*each, ids) for each in zip(expected, came, strict=True))
        case _:
            return type(expected) is type(came) and bool(expected == came)


def _lines(text: str) -> list[str]:
    return [re.sub(" +", " ", line).strip() for line in text.strip("\n").split("\n")]
