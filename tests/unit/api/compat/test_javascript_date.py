"""api/compat/javascript_date.py, compared with a JavaScript engine.

`javascript_dates.json` is what Node.js answered; `javascript_dates.js` says how to make it again. Where a `node` of the
same engine is on the PATH, it is asked about strings made up at random, too.
"""

import json
import math
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.compat.javascript_date import LIMIT, epoch_milliseconds, is_truthy, parse

HERE = Path(__file__).parent
CORPUS: dict[str, Any] = json.loads((HERE / "javascript_dates.json").read_text())
NODE = shutil.which("node")

SetZone = Callable[[str], None]

WORDS = """
0 1 2 6 9 12 13 24 31 32 49 50 59 60 99 100 999 2024 02024 002024 000000 123456789 1234567890 06 00 02 0200 0260
:00 :30 :59 :: : . .5 .123456 .0000000001 - + / , & ( ) (x) () T t Z z am PM GMT UTC EST pdt MSK GMT+2 +02:00 -0830
Jan jun Septimber December Thu foo Jüni ü 😀 T12:00 T24:00 2024-06-13 2024-06-13T12:00 June+13 13+Jun
12:00 12:00:00 12:00:00.000
"""
PIECES = [*WORDS.split(), " ", " ", " ", "\t", "\0", "\xa0", "\u2028", "\u202f", "\ufeff"]


@pytest.fixture
def set_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetZone]:
    """Sets the local time zone of this process, for the time of a test."""

    def set_zone(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", CORPUS["zones"])
def test_every_date_of_the_corpus(zone: str, set_zone: SetZone) -> None:
    set_zone(zone)
    answers = CORPUS["zones"][zone]
    wrong = [(value, expected, got) for value, expected in answers if (got := epoch_milliseconds(value)) != expected]
    assert not wrong


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_dates_made_up_at_random(zone: str, set_zone: SetZone) -> None:
    if NODE is None:
        pytest.skip("no node on the PATH")
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    texts = ["".join(chance.choices(PIECES, k=chance.randint(1, 9))) for _ in range(3000)]
    made = subprocess.run(
        [NODE, str(HERE / "javascript_dates.js"), "-"],
        input=json.dumps([[zone, texts]]),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(made.stdout)
    if answer["v8"].split(".")[0] != CORPUS["v8"].split(".")[0]:
        pytest.skip(f"this node has V8 {answer['v8']}, the corpus is of {CORPUS['v8']}")
    set_zone(zone)
    wrong = [
        (text, expected, got)
        for text, expected in answer["zones"][zone]
        if (got := epoch_milliseconds(text)) != expected
    ]
    assert not wrong, f"seed {seed}"


@given(st.text() | st.from_regex(r"[0-9TZ:.+\- /a-z]{1,30}") | st.floats() | st.integers())
def test_any_value_is_a_date_within_the_limit_or_none(value: object) -> None:
    milliseconds = epoch_milliseconds(value)
    assert milliseconds is None or abs(milliseconds) <= LIMIT
    assert (parse(value) is None) == (milliseconds is None)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_date_in_iso_8601_is_itself(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert parse(moment.isoformat(timespec="milliseconds")) == moment
    assert parse(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")) == moment


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-06-13T12:00:00Z", datetime(2024, 6, 13, 12, tzinfo=UTC)),
        ("2024-06-13T14:00:00.250+02:00", datetime(2024, 6, 13, 12, 0, 0, 250_000, tzinfo=UTC)),
        ("June 13, 2024 12:00:00 GMT", datetime(2024, 6, 13, 12, tzinfo=UTC)),
        (1718280000000, datetime(2024, 6, 13, 12, tzinfo=UTC)),
        (1718280000000.9, datetime(2024, 6, 13, 12, tzinfo=UTC)),
        ("1718280000000", None),
        ("soon", None),
        ("", None),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
        ({}, None),
    ],
)
def test_moments(value: object, expected: datetime | None) -> None:
    assert parse(value) == expected


def test_what_python_has_no_date_for_is_the_first_or_last_one() -> None:
    assert parse("+010000-01-01T00:00Z") == parse(LIMIT) == datetime.max.replace(tzinfo=UTC)
    assert parse("0000-12-31T23:59:59Z") == parse(-LIMIT) == datetime.min.replace(tzinfo=UTC)


def test_what_javascript_takes_for_missing() -> None:
    missing: list[object] = [None, False, 0, 0.0, -0.0, "", math.nan]
    there: list[object] = [True, 1, -1, 0.1, "0", " ", "false", [], {}, [0], math.inf]
    assert [is_truthy(value) for value in missing] == [False] * len(missing)
    assert [is_truthy(value) for value in there] == [True] * len(there)
