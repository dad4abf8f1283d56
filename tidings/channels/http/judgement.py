"""From an HTTP response to the result of a delivery."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.http.transport import Answer, ShortageError, TransportError
from tidings.domain.retry import LONGEST_WAIT_ASKED

_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""4xx statuses that are about the moment, not about the message."""

DECADES: Final = 1e9
"""Seconds, 32 years. No Unix time of this century is below, but for its first months."""

_SECONDS: Final = re.compile(r"[0-9]{1,12}(\.[0-9]*)?")
"""RFC 9110 knows whole seconds only; fractions are in use."""


def is_refusal(status: int) -> bool:
    """Whether a status speaks of the message, by HTTP: 3xx, and 4xx but 408, 425 and 429."""
    return 300 <= status < 500 and status not in _PASSING  # noqa: PLR2004


def judge(answer: Answer, now: Callable[[], datetime], *, rejects: Callable[[int], bool] = is_refusal) -> Result:
    """Accepted for 2xx; Rejected for what `rejects` says of the status; otherwise Retry, after its `Retry-After`.

    A status outside of 100 to 599 counts as 5xx (RFC 9110, section 15).
    """
    status = answer.status
    if status // 100 == 2:  # noqa: PLR2004
        return Accepted(status_code=status, answer=answer.body)
    if rejects(status):
        return Rejected(error=describe(status), status_code=status, answer=answer.body)
    value = answer.headers.get("Retry-After")
    delay = None if value is None else parse_retry_after(value, now())
    paced = status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and delay is not None)
    return Retry(
        error=describe(status),
        delay=delay,
        status_code=status,
        answer=answer.body,
        about=About.PACE if paced else About.ENDPOINT,
    )


def about(error: TransportError) -> About:
    """What a request without a response speaks of.

    Once it has gone out, its host could be reached: that nothing came back concerns where it went.
    """
    if isinstance(error, ShortageError):
        return About.OURSELVES
    return About.ENDPOINT if error.unanswered else About.HOST


def describe(status: int) -> str:
    """`HTTP 404 Not Found`; never the reason that the receiver sent, which may be anything."""
    try:
        text = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        text = f"HTTP {status}"
    return f"{text}: redirects are not followed" if status // 100 == 3 else text  # noqa: PLR2004


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Seconds from `now`, at least 0; None for what is neither a number of seconds nor a date (RFC 9110, 10.2.3).

    A number of decades is the Unix time that some send here; one that is not about now asks for nothing.
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value)
        if seconds < DECADES:
            return seconds
        seconds -= now.timestamp()
        return max(0.0, seconds) if abs(seconds) <= LONGEST_WAIT_ASKED else None
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:  # the old asctime form; HTTP dates are in UTC
            date = date.replace(tzinfo=UTC)
        return max(0.0, (date - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
