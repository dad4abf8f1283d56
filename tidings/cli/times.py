"""Times and durations as people type them.

A time is RFC 3339, Unix time, or a time of this machine's clock (`2030-01-31 9:00`, `2030-01-31`, `18:30`: the next
one). A duration is `90s`, `15m`, `2h30m`, `1d` or `1w`, from now on or before now as the option says.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from tidings.domain.errors import TidingsError
from tidings.domain.timestamps import TimestampError, parse_timestamp

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[smhdw])+")
_PART: Final = re.compile(r"([0-9.]+)([smhdw])")
_CLOCK: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")
_LOCAL_FORMS: Final = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


class TimeError(TidingsError):
    """A text that is no time or no duration."""


def duration(text: str) -> timedelta:
    """The length of time that a text such as `2h30m` names. Raises TimeError."""
    if not _DURATION.fullmatch(text):
        raise TimeError(f"{text!r} is no duration; give 90s, 15m, 2h30m, 1d or 1w")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
    except OverflowError:
        raise TimeError(f"{text!r} is too long") from None


def time_of(text: str, *, now: datetime) -> datetime:
    """The time in UTC that a text names. Raises TimeError."""
    text = text.strip()
    if _CLOCK.fullmatch(text):
        return _next_time(text, now.astimezone())
    for form in _LOCAL_FORMS:
        try:
            named = datetime.strptime(text, form)  # noqa: DTZ007  this machine's zone is given it next
        except ValueError:
            continue
        return _on_this_clock(named, text)
    try:
        return parse_timestamp(text)
    except TimestampError:
        raise TimeError(f"{text!r} is no time; give 2030-01-31T09:00:00Z, '2030-01-31 9:00' or 18:30") from None


def from_now(text: str, *, now: datetime) -> datetime:
    """A time, or a duration from now on. Raises TimeError."""
    return _shifted(text, now, 1) if _DURATION.fullmatch(text) else time_of(text, now=now)


def before_now(text: str, *, now: datetime) -> datetime:
    """A time, or a duration before now. Raises TimeError."""
    return _shifted(text, now, -1) if _DURATION.fullmatch(text) else time_of(text, now=now)


def _shifted(text: str, now: datetime, direction: int) -> datetime:
    try:
        return (now + direction * duration(text)).astimezone(UTC)
    except OverflowError:
        raise TimeError(f"{text!r} is too long") from None


def _next_time(text: str, now: datetime) -> datetime:
    hour, minute, second = ([int(part) for part in text.split(":")] + [0])[:3]
    try:
        today = now.replace(hour=hour, minute=minute, second=second, microsecond=0, tzinfo=None)
    except ValueError:
        raise TimeError(f"{text!r} is no time of day") from None
    found = _on_this_clock(today, text)
    return found if found > now else _on_this_clock(today + timedelta(days=1), text)


def _on_this_clock(named: datetime, text: str) -> datetime:
    try:
        found = named.astimezone(UTC)
        shown = found.astimezone().replace(tzinfo=None)
    except (OverflowError, OSError, ValueError):
        raise TimeError(f"{text!r} is out of range") from None
    if shown != named:
        raise TimeError(f"{text!r} does not exist on this machine's clock, which is put forward then")
    return found
