"""What `new Date(value)` is in JavaScript, for a value that came as JSON.

Times without a zone are in the local time of this process (`TZ`, or else the system's zone), as they were on the server
of the original; a date alone in ISO 8601 is one of UTC. A local time that a change of clocks skips or repeats is read
with the offset before the change.
"""

import math
import time
from datetime import UTC, date, datetime, timedelta
from typing import Final

from api.compat import javascript_date_string
from api.compat.javascript_date_string import Fields

LONGEST: Final = 1000
"""Characters of a text that is read. V8 reads longer ones too; what takes a grammar with comments takes its time."""
LIMIT: Final = 8_640_000_000_000_000
"""Milliseconds around the epoch that a JavaScript date can have: 100 million days."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_END: Final = object()
_DAY: Final = 86_400
"""Seconds."""
_CYCLE_YEARS: Final = 400
_CYCLE_DAYS: Final = 146_097
"""After 400 years the Gregorian calendar begins again."""


def parse(value: object) -> datetime | None:
    """The date in UTC, or None where JavaScript has `Invalid Date`.

    A date before year 1 or after year 9999, which JavaScript has and Python has not, is the earliest or the latest
    `datetime`: it is a date, and far from every other one.
    """
    milliseconds = epoch_milliseconds(value)
    if milliseconds is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _EARLIEST if milliseconds < 0 else _LATEST


def epoch_milliseconds(value: object) -> int | None:
    """`new Date(value).getTime()`, or None for NaN."""
    match value:
        case None:
            return 0
        case int() | float():  # true and false are 1 and 0
            return _clip(value)
        case str():
            return _from_text(value)
        case list():
            return _from_text(_joined(value))
        case _:
            return None


def is_truthy(value: object) -> bool:
    """Whether a JSON value holds as a condition in JavaScript: empty arrays and objects do."""
    match value:
        case list() | dict():
            return True
        case float():
            return bool(value) and not math.isnan(value)
        case _:
            return bool(value)


def _clip(milliseconds: float) -> int | None:
    # Written so that NaN is out too.
    return math.trunc(milliseconds) if -LIMIT <= milliseconds <= LIMIT else None


def _from_text(text: str) -> int | None:
    fields = javascript_date_string.read(text) if len(text) <= LONGEST else None
    if fields is None:
        return None
    seconds = _days(fields) * _DAY + fields.hour * 3600 + fields.minute * 60 + fields.second
    if abs(seconds) > LIMIT // 1000 + _DAY:
        return None
    seconds -= _local_offset(seconds) if fields.offset is None else fields.offset
    return _clip(seconds * 1000 + fields.millisecond)


def _days(fields: Fields) -> int:
    """Days from the epoch, by the Gregorian calendar in both directions."""
    cycles, year = divmod(fields.year, _CYCLE_YEARS)
    first_of_month = date(year + _CYCLE_YEARS, fields.month, 1).toordinal() + (cycles - 1) * _CYCLE_DAYS
    return first_of_month + fields.day - 1 - _EPOCH.toordinal()


def _local_offset(local: int) -> int:
    """Seconds east of UTC at a local time, which is given in seconds as if it were UTC."""
    before, after = (time.localtime(local + step).tm_gmtoff for step in (-_DAY, _DAY))
    for offset in (before, after):
        if time.localtime(local - offset).tm_gmtoff == offset:
            return offset
    return before


def _joined(values: list[object]) -> str:
    """`String(array)`, as far as it is read: an array within it is as its own values."""
    parts: list[str] = []
    length, waiting = 0, [iter(values)]
    while waiting and length <= LONGEST:
        value = next(waiting[-1], _END)
        if value is _END:
            waiting.pop()
        elif isinstance(value, list) and value:
            waiting.append(iter(value))
        else:
            parts.append("" if isinstance(value, list) else _string(value))
            length += len(parts[-1]) + 1
    return ",".join(parts)


def _string(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case dict():
            return "[object Object]"
        case _:
            return str(value)
