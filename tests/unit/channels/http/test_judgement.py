"""tidings/channels/http/judgement.py"""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.channels.doubles import NOW, answer
from tidings.channels.base import About, Accepted, Rejected, Retry
from tidings.channels.http.judgement import about, describe, judge, parse_retry_after
from tidings.channels.http.transport import Answer, ShortageError, TransportError


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success(status: int) -> None:
    assert judge(answer(status, b"thanks"), lambda: NOW) == Accepted(status_code=status, answer=b"thanks")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599, 101, 600, 999])
def test_passing_trouble(status: int) -> None:
    result = judge(answer(status, b"later"), lambda: NOW)
    expected = About.PACE if status == HTTPStatus.TOO_MANY_REQUESTS else About.ENDPOINT
    assert result == Retry(error=describe(status), status_code=status, answer=b"later", about=expected)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 422, 451, 499])
def test_refusal(status: int) -> None:
    result = judge(answer(status, b"no", retry_after="5"), lambda: NOW)
    assert result == Rejected(error=describe(status), status_code=status, answer=b"no")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_a_refusal_that_says_so(status: int) -> None:
    result = judge(answer(status, location="https://example.com/?secret=1"), lambda: NOW)
    assert isinstance(result, Rejected)
    assert result.error.endswith("redirects are not followed")
    assert "secret" not in result.error


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 451, 503])
def test_what_a_channel_does_not_take_for_a_refusal_is_tried_again(status: int) -> None:
    result = judge(answer(status, retry_after="7"), lambda: NOW, rejects=lambda refused: refused == 410)
    about = About.PACE if status == 503 else About.ENDPOINT
    assert result == Retry(error=describe(status), delay=7, status_code=status, about=about)


def test_the_wait_that_an_answer_asks_for() -> None:
    result = judge(answer(503, retry_after="120"), lambda: NOW)
    assert isinstance(result, Retry)
    assert result.delay == 120


def test_statuses_in_words() -> None:
    assert describe(404) == "HTTP 404 Not Found"
    assert describe(599) == "HTTP 599"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sunday, 01-Mar-26 12:01:00 GMT", 60),
        ("Sun Mar  1 12:01:00 2026", 60),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        # The Unix time, in place of the seconds until then.
        (str(int(NOW.timestamp()) + 60), 60),
        (str(int(NOW.timestamp()) - 60), 0),
    ],
)
def test_retry_after(value: str, seconds: float) -> None:
    assert parse_retry_after(value, NOW.replace(microsecond=0)) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "-5",
        "+5",
        "5s",
        "1e3",
        "inf",
        "nan",
        "٣",
        "9" * 5000,
        "Sun, 99 Mar 2026 12:01:00 GMT",
        "0x10",
        "1000000000",
        "1772366460000",
    ],
)
def test_nonsense_asks_for_nothing(value: str) -> None:
    assert parse_retry_after(value, NOW) is None


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [A-Z+\-\d]{1,6}"))
def test_the_parser_never_raises(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@given(st.datetimes(min_value=datetime(2026, 3, 2), max_value=datetime(9999, 1, 1)))  # noqa: DTZ001  (hypothesis wants them naive)
def test_every_later_http_date_is_understood(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    value = format_datetime(moment, usegmt=True)
    assert parse_retry_after(value, NOW) == (moment - NOW) / timedelta(seconds=1)


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [
        (429, None, About.PACE),
        (429, "2", About.PACE),
        (503, "2", About.PACE),
        (503, None, About.ENDPOINT),
        (503, "soon", About.ENDPOINT),
        (500, "2", About.ENDPOINT),
        (404, None, About.ENDPOINT),
    ],
)
def test_what_an_answer_speaks_of(status: int, retry_after: str | None, expected: About) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    result = judge(Answer(status, headers, b""), lambda: NOW)
    assert isinstance(result, Retry | Rejected)
    assert result.about is expected


def test_what_no_answer_speaks_of() -> None:
    assert about(TransportError("no connection: timed out after 5 s")) is About.HOST
    assert about(TransportError("timed out after 15 s", unanswered=True)) is About.ENDPOINT
    assert about(ShortageError("no connection: Too many open files on our side")) is About.OURSELVES
