"""From an HTTP response to the result of a delivery."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.http.transport import Answer, ShortageError, TransportError

_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""4xx statuses that are about the moment, not about the message."""

_SECONDS: Final = re.compile(r"[0-9]{1,12}(\.[0-9]*)?")
"""RFC 9110 knows whole seconds only; fractions are in use."""


def judge(answer: Answer, now: Callable[[], datetime]) -> Result:
    """Accepted for 2xx; Retry for 408, 425, 429 and 5xx, after their `Retry-After`; otherwise Rejected.

    A status outside of 100 to 599 counts as 5xx (RFC 9110, section 15).
    """
    status = answer.status
    match status // 100:
        case 2:
            return Accepted(status_code=status, answer=answer.body)
        case 3:
            error = f"{describe(status)}: redirects are not followed"
            return Rejected(error=error, status_code=status, answer=answer.body)
        case 4 if status not in _PASSING:
            return Rejected(error=describe(status), status_code=status, answer=answer.body)
        case _:
            value = answer.headers.get("Retry-After")
            delay = None if value is None else parse_retry_after(value, now())
            paced = status == HTTPStatus.TOO_MANY_REQUESTS or (
                status == HTTPStatus.SERVICE_UNAVAILABLE and delay is not None
            )
            return Retry(
                error=describe(status),
                delay=delay,
                status_code=status,
                answer=answer.body,
                about=About.PACE if paced else About.ENDPOINT,
            )


def about(error: TransportError) -> About:
    """What a request without a response speaks of."""
    return About.OURSELVES if isinstance(error, ShortageError) else About.HOST


def describe(status: int) -> str:
    """`HTTP 404 Not Found`; never the reason that the receiver sent, which may be anything."""
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Seconds from `now`, at least 0; None for what is neither a number of seconds nor a date (RFC 9110, 10.2.3)."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:  # the old asctime form; HTTP dates are in UTC
            date = date.replace(tzinfo=UTC)
        return max(0.0, (date - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
