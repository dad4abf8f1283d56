"""Date strings as V8 reads them: ISO 8601 as ECMA-262 has it, or else a legacy grammar that takes nearly anything.

The legacy grammar knows no order. A number before ':' belongs to the time of day, any other to the date; words are
names of months and zones, AM or PM; before the first number any other word is passed over, after it none is; what is in
parentheses is a comment. Which number is the year is decided at the end: see `_Reading.date`. A string may begin as
ISO 8601 and go on otherwise (`2024-06-13 12:00`), so both grammars fill in the same `_Reading`.

The reference is V8 11 (Node.js 20).
"""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
ZONES: Final = {
    **dict.fromkeys(("z", "ut", "utc", "gmt"), 0),
    "edt": -4,
    "est": -5,
    "cdt": -5,
    "cst": -6,
    "mdt": -6,
    "mst": -7,
    "pdt": -7,
    "pst": -8,
}
"""Hours east of Greenwich."""
HALVES: Final = {"am": 0, "pm": 12}
"""Hours added to those of a 12-hour clock."""

DATE_PARTS: Final = 3
CLOCK_LIMITS: Final = (23, 59, 59, 999)
"""The last hour, minute, second and millisecond."""
LARGEST_OFFSET: Final = 2**31 - 1

_DIGITS_READ: Final = 9
"""Digits of a number that count, from the first that is not 0; any further ones are dropped."""
_SPACE: Final = r"\t-\r \xa0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff"
"""Not the line and paragraph separators, which are words to V8."""
_TOKEN: Final = re.compile(
    rf"(?P<number>[0-9]+)|(?P<space>[{_SPACE}])|(?P<word>[^\0-@{_SPACE}]+)|(?P<symbol>.)", re.DOTALL
)


class Fields(NamedTuple):
    """A date and time as written. The day may be one that its month does not have: it runs over into the next."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    millisecond: int
    offset: int | None
    """Seconds east of UTC; None for local time."""


def read(text: str) -> Fields | None:
    """The date in this text, or None where V8 says `Invalid Date`."""
    tokens = _Tokens(text)
    reading = _Reading()
    try:
        if not _read_iso(tokens, reading):
            _read_legacy(tokens, reading)
        year, month, day = reading.date()
        return Fields(year, month, day, *reading.time(), reading.offset())
    except _InvalidDateError:
        return None


class _InvalidDateError(Exception):
    pass


class _Token(NamedTuple):
    kind: Literal["number", "word", "space", "symbol", "end"]
    text: str = ""

    @property
    def number(self) -> int:
        return int(self.text.lstrip("0")[:_DIGITS_READ] or "0")

    @property
    def milliseconds(self) -> int:
        """As a fraction of a second; with more than nine digits wrong as V8 has it, where the first ones are 0."""
        scale: int = 10 ** min(len(self.text), _DIGITS_READ)
        return self.number * 1000 // scale

    @property
    def word(self) -> str:
        """In lower case, where it is one of ASCII."""
        return self.text.lower() if self.text.isascii() else ""

    def has_digits(self, count: int) -> bool:
        return self.kind == "number" and len(self.text) == count

    def is_symbol(self, *symbols: str) -> bool:
        return self.kind == "symbol" and self.text in symbols

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.word == word


class _Tokens:
    """A text in tokens, with the next one in sight."""

    def __init__(self, text: str) -> None:
        self._rest = _tokens(text.partition("\0")[0])
        self.peek = next(self._rest)

    def take(self) -> _Token:
        token, self.peek = self.peek, next(self._rest, _Token("end"))
        return token

    def skip(self, symbol: str) -> bool:
        """Whether this symbol was next; it is taken."""
        return self.peek.is_symbol(symbol) and bool(self.take())

    def take_digits(self, count: int, lowest: int, highest: int) -> int | None:
        """The next number, taken, where it has so many digits and is within the limits."""
        if self.peek.has_digits(count) and lowest <= self.peek.number <= highest:
            return self.take().number
        return None

    def expect_digits(self, count: int, lowest: int, highest: int) -> int:
        number = self.take_digits(count, lowest, highest)
        if number is None:
            raise _InvalidDateError
        return number


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while found := _TOKEN.match(text, position):
        position = _after_comment(text, position) if found[0] == "(" else found.end()
        yield _Token(found.lastgroup, found[0])  # type: ignore[arg-type]  # the groups are the kinds
    yield _Token("end")


def _after_comment(text: str, start: int) -> int:
    """Where the comment that begins at `start` ends; at the end of the text where nothing closes it."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if depth == 0:
            return position + 1
    return len(text)


class _Reading:
    """What was read so far."""

    def __init__(self) -> None:
        self.iso = False
        self.numbers: list[int] = []
        self.month: int | None = None
        self.clock: list[int] = []
        """Hour, minute, second, millisecond, as far as they have come."""
        self.half: int | None = None
        self.zone_sign: int | None = None
        self.zone_hour: int | None = None
        self.zone_minute: int | None = None

    def add_number(self, number: int) -> None:
        if len(self.numbers) == DATE_PARTS:
            raise _InvalidDateError
        self.numbers.append(number)

    def add_time(self, number: int) -> None:
        if len(self.clock) == len(CLOCK_LIMITS):
            raise _InvalidDateError
        self.clock.append(number)

    def end_time(self) -> None:
        self.clock += [0] * (len(CLOCK_LIMITS) - len(self.clock))

    def time_goes_on_with(self, number: int) -> bool:
        """Whether the number can be the next part of a time of day that has begun."""
        return 0 < len(self.clock) < len(CLOCK_LIMITS) and number <= CLOCK_LIMITS[len(self.clock)]

    def offset_goes_on_with(self, number: int) -> bool:
        return self.zone_hour is not None and self.zone_minute is None and number <= CLOCK_LIMITS[1]

    @property
    def is_utc(self) -> bool:
        return self.zone_hour == 0 and self.zone_minute == 0

    def set_zone(self, sign: int, hour: int, minute: int | None) -> None:
        self.zone_sign, self.zone_hour, self.zone_minute = sign, hour, minute

    def date(self) -> tuple[int, int, int]:
        """Year, month and day: Y-M-D where the first number is no day, else M-D-Y; with a named month Y-D, else D-Y."""
        if not self.numbers:
            raise _InvalidDateError
        first, second, third = [*self.numbers, 1, 1][:DATE_PARTS]
        year_first = self.iso or not _is_day(first)
        if self.month is not None:
            month = self.month
            year, day = (first, second) if year_first else (second, first)
        elif year_first:
            year, month, day = first, second, third
        else:
            month, day, year = first, second, third
        if not self.iso and 0 <= year < 100:  # noqa: PLR2004  two digits
            year += 2000 if year < 50 else 1900  # noqa: PLR2004
        if not (1 <= month <= len(MONTHS) and _is_day(day)):
            raise _InvalidDateError
        return year, month, day

    def time(self) -> tuple[int, int, int, int]:
        hour, minute, second, millisecond = [*self.clock, 0, 0, 0, 0][: len(CLOCK_LIMITS)]
        if self.half is not None:
            if hour > 12:  # noqa: PLR2004  of a 12-hour clock
                raise _InvalidDateError
            hour = hour % 12 + self.half
        time = (hour, minute, second, millisecond)
        if time != (24, 0, 0, 0) and any(part > limit for part, limit in zip(time, CLOCK_LIMITS, strict=True)):
            raise _InvalidDateError
        return time

    def offset(self) -> int | None:
        if self.zone_sign is None:
            return None
        # In 32 bits, as V8 has it: a nonsensical offset can come out as a possible one.
        seconds = ((self.zone_hour or 0) * 3600 + (self.zone_minute or 0) * 60) % 2**32
        if seconds > LARGEST_OFFSET:
            raise _InvalidDateError
        return self.zone_sign * seconds


def _is_day(number: int) -> bool:
    return 1 <= number <= 31  # noqa: PLR2004


def _read_iso(tokens: _Tokens, reading: _Reading) -> bool:
    """Reads ISO 8601 as far as it goes; whether that is to the end. Past the T there is no way back."""
    if not _read_iso_date(tokens, reading):
        return False
    if tokens.peek.is_word("t"):
        tokens.take()
        _read_iso_time(tokens, reading)
        if tokens.peek.kind != "end":
            raise _InvalidDateError
    elif tokens.peek.kind == "end":
        reading.set_zone(1, 0, 0)  # a date alone is one of UTC
    else:
        return False
    reading.iso = True
    return True


def _read_iso_date(tokens: _Tokens, reading: _Reading) -> bool:
    if tokens.peek.is_symbol("+", "-"):
        sign = _sign(tokens.take())
        if not tokens.peek.has_digits(6):
            return False
        year = tokens.take().number
        if sign < 0 and not year:
            return False
        reading.add_number(sign * year)
    elif tokens.peek.has_digits(4):
        reading.add_number(tokens.take().number)
    else:
        return False
    for highest in (12, 31):
        if not tokens.skip("-"):
            break
        number = tokens.take_digits(2, 1, highest)
        if number is None:
            return False
        reading.add_number(number)
    return True


def _read_iso_time(tokens: _Tokens, reading: _Reading) -> None:
    hour = tokens.expect_digits(2, 0, 24)
    reading.add_time(hour)
    last = 0 if hour == 24 else 59  # noqa: PLR2004  the end of the day
    if not tokens.skip(":"):
        raise _InvalidDateError
    reading.add_time(tokens.expect_digits(2, 0, last))
    if tokens.skip(":"):
        reading.add_time(tokens.expect_digits(2, 0, last))
        if tokens.skip("."):
            if tokens.peek.kind != "number" or (not last and tokens.peek.number):
                raise _InvalidDateError
            reading.add_time(tokens.take().milliseconds)
    if tokens.peek.is_word("z"):
        tokens.take()
        reading.set_zone(1, 0, 0)
    elif tokens.peek.is_symbol("+", "-"):
        sign = _sign(tokens.take())
        if tokens.peek.has_digits(4):
            hour, minute = divmod(tokens.take().number, 100)
            if hour > CLOCK_LIMITS[0] or minute > CLOCK_LIMITS[1]:
                raise _InvalidDateError
        else:
            hour = tokens.expect_digits(2, 0, 23)
            if not tokens.skip(":"):
                raise _InvalidDateError
            minute = tokens.expect_digits(2, 0, 59)
        reading.set_zone(sign, hour, minute)


def _read_legacy(tokens: _Tokens, reading: _Reading) -> None:
    """Reads the rest, or all of it."""
    after_number = bool(reading.numbers)
    while (token := tokens.take()).kind != "end":
        if token.kind == "number":
            _read_number(token, tokens, reading)
            after_number = True
        elif token.kind == "word":
            _read_word(token, tokens, reading, after_number=after_number)
        elif token.is_symbol("+", "-") and (reading.is_utc or reading.clock):
            _read_offset(_sign(token), tokens, reading)
            after_number = True
        elif token.is_symbol("+", "-", ")") and after_number:
            raise _InvalidDateError


def _read_number(token: _Token, tokens: _Tokens, reading: _Reading) -> None:
    number = token.number
    if tokens.skip(":"):
        if tokens.skip(":"):
            if reading.clock:
                raise _InvalidDateError
            reading.clock += [number, 0]
        else:
            reading.add_time(number)
            tokens.skip(".")
    elif tokens.skip(".") and reading.time_goes_on_with(number):
        if tokens.peek.kind != "number":
            raise _InvalidDateError
        reading.clock = [*reading.clock, number, tokens.take().milliseconds][: len(CLOCK_LIMITS)]
        reading.end_time()
    elif reading.offset_goes_on_with(number):
        reading.zone_minute = number
    elif reading.time_goes_on_with(number):
        reading.add_time(number)
        reading.end_time()
        after = tokens.peek
        if not (after.kind in {"end", "space"} or after.is_word("z") or after.is_symbol("+", "-")):
            raise _InvalidDateError
    else:
        reading.add_number(number)
        tokens.skip("-")


def _read_word(token: _Token, tokens: _Tokens, reading: _Reading, *, after_number: bool) -> None:
    word = token.word
    month = MONTHS.get(token.text[:3].lower()) if token.text[:3].isascii() else None
    if word in HALVES and reading.clock:
        reading.half = HALVES[word]
    elif month is not None:
        reading.month = month
        tokens.skip("-")
    elif word in ZONES and after_number:
        hours = ZONES[word]
        reading.set_zone(-1 if hours < 0 else 1, abs(hours), 0)
    elif after_number or tokens.peek.kind == "number":
        raise _InvalidDateError


def _read_offset(sign: int, tokens: _Tokens, reading: _Reading) -> None:
    """`+02`, `+0200`, or `+02:`, whose minutes come as a number of their own."""
    digits = tokens.take() if tokens.peek.kind == "number" else _Token("number")
    if tokens.peek.is_symbol(":"):
        reading.set_zone(sign, digits.number, None)
    elif len(digits.text) in {1, 2}:
        reading.set_zone(sign, digits.number, 0)
    elif len(digits.text) in {3, 4}:
        reading.set_zone(sign, *divmod(digits.number, 100))
    else:
        raise _InvalidDateError


def _sign(token: _Token) -> int:
    return -1 if token.text == "-" else 1
