"""Timestamps as clients write them: RFC 3339 with an offset, or Unix time.

A number below 10^11 counts seconds (up to the year 5138), any other milliseconds (from 1973 on): no time that is
meant today can be taken for another. A string of digits is read as that number.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from tidings.domain.clock import CLOCK

MILLISECONDS_FROM: Final = 10**11
"""The smallest number that counts milliseconds."""
_LATEST: Final = 10**14

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_WithOffset = Annotated[datetime, msgspec.Meta(tz=True)]


class TimestampError(ValueError):
    """A text or number that is no timestamp; the text says what is wanted."""


def parse_timestamp(value: str | float) -> datetime:
    """The time in UTC. Raises TimestampError."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return _from_text(value)
        value = float(value)
    return _from_number(value)


def _from_text(text: str) -> datetime:
    try:
        return msgspec.convert(text, _WithOffset).astimezone(UTC)
    except msgspec.ValidationError as error:
        if "timezone" in str(error):
            raise TimestampError("has no offset: end it with Z or ±hh:mm") from None
        raise TimestampError("must be a time such as 2030-01-31T09:00:00Z (RFC 3339), or Unix time") from None
    except OverflowError:
        raise TimestampError("is out of range") from None


def _from_number(number: float) -> datetime:
    if not 0 <= number < _LATEST:
        raise TimestampError("is out of range for Unix time")
    return datetime.fromtimestamp(number / 1000 if number >= MILLISECONDS_FROM else number, UTC)


def utc_now() -> datetime:
    """Now by Postgres's clock, with its time zone; by this machine's where the process has asked no Postgres."""
    return datetime.fromtimestamp(CLOCK.seconds(), UTC)


def machine_now() -> datetime:
    """Now by this machine's clock, for what is compared with it or shown to people in front of it."""
    return datetime.now(UTC)
