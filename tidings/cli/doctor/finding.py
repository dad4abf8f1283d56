"""What a doctor finds: one check, its result, and how to mend what is wrong."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and something will go wrong or worse than it could."""
    FAILURE = "failure"
    """Messages are not delivered, or could be lost."""


class Finding(msgspec.Struct, frozen=True):
    """The result of one check."""

    check: str
    level: Level
    says: str
    mend: str | None = None
    """What to do about it."""


def ok(check: str, says: str) -> Finding:
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, mend: str) -> Finding:
    return Finding(check, Level.WARNING, says, mend)


def failure(check: str, says: str, mend: str) -> Finding:
    return Finding(check, Level.FAILURE, says, mend)
