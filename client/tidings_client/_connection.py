"""What both clients have in common: where the API is, who asks, and when a request goes out again."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx2

from tidings_client.errors import Error, NoAnswerError, NotReachedError, OverQuotaError, RefusedError, UnavailableError
from tidings_client.models import Message, Status

URL_VARIABLE: Final = "TIDINGS_URL"
KEY_VARIABLE: Final = "TIDINGS_API_KEY"
DEFAULT_URL: Final = "http://localhost:8080"

PATIENCE_SECONDS: Final = 30.0
"""How long a request goes out again and again."""
TIMEOUT: Final = httpx2.Timeout(60, connect=5)
STREAM_TIMEOUT: Final = httpx2.Timeout(60, connect=5)
"""For a connection, and between two events: the API sends a sign of life more often."""
MOST_EVENT_BYTES: Final = 4 * 2**20
"""A snapshot of everything is one event."""

FINAL: Final[tuple[Status, ...]] = ("sent", "cancelled")

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)

_FIRST_LOOK: Final = 0.05
_LONGEST_LOOK: Final = 2.0
_LOOKS_GROW: Final = 1.5


@dataclass(frozen=True)
class Connection:
    """Where the API is, and what every request carries."""

    url: httpx2.URL
    headers: dict[str, str]
    verify: bool

    @classmethod
    def of(cls, url: str | None, api_key: str | None) -> Connection:
        """From the arguments, or the environment. Raises Error for what is no address."""
        text = url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
        try:
            base = httpx2.URL(text if "://" in text else f"http://{text}")
        except httpx2.InvalidURL as error:
            raise Error(f"{text!r} is not the address of an API: {error}") from None
        if base.scheme not in {"http", "https"} or not base.host:
            raise Error(f"{text!r} is not the address of an API; give it as http://host:port")
        key = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key
        # Reading the certificates of all authorities takes a tenth of a second, for nothing where there is no TLS.
        return cls(base, {"Authorization": f"Bearer {key}"} if key else {}, verify=base.scheme == "https")

    def no_answer(self, error: httpx2.TransportError) -> NoAnswerError:
        """What is raised where there was no answer."""
        reason = str(error) or type(error).__name__
        return NoAnswerError(f"no answer from {self.url}: {reason}", sent=not isinstance(error, _NOT_SENT))


class Pauses:
    """The pauses before one request goes out again, a little longer each, as long as the patience lasts."""

    def __init__(self, patience: float, *, repeatable: bool) -> None:
        self._left = patience
        self._repeatable = repeatable
        self._next = _FIRST_PAUSE

    def after(self, error: Error) -> float | None:
        """Seconds to wait after an error; None where it is to be raised."""
        pause = min(self._next, _LONGEST_PAUSE) + random.uniform(0, 0.1)  # noqa: S311  no secret hangs on it
        if isinstance(error, RefusedError) and error.retry_after is not None:
            pause = error.retry_after
        if pause > self._left or not self._may_go_again(error):
            return None
        self._left -= pause
        self._next *= 2
        return pause

    def spent(self, seconds: float) -> None:
        """A request took so long."""
        self._left -= seconds

    def _may_go_again(self, error: Error) -> bool:
        match error:
            # It was not done.
            case OverQuotaError() | NoAnswerError(sent=False):
                return True
            case UnavailableError() | NoAnswerError():
                return self._repeatable
        return False


class Looks:
    """The pauses between two looks at a message that is waited for, and when the wait is over."""

    def __init__(self, until: Status | tuple[Status, ...], timeout: float | None) -> None:
        self._until = (until,) if isinstance(until, str) else until
        self._left = timeout
        self._next = _FIRST_LOOK

    def reached(self, message: Message) -> bool:
        """Whether the wait is over. Raises NotReachedError where it would never be."""
        if message.status in self._until:
            return True
        if message.status in FINAL:
            raise NotReachedError(f"message {message.id} is {_named(message)}, and stays it", message)
        return False

    def pause(self, message: Message) -> float:
        """Seconds until the next look. Raises NotReachedError where the time is over."""
        if self._left is not None and self._left <= 0:
            raise NotReachedError(f"message {message.id} is still {_named(message)}", message)
        pause = self._next if self._left is None else min(self._next, self._left)
        self._next = min(self._next * _LOOKS_GROW, _LONGEST_LOOK)
        return pause

    def spent(self, seconds: float) -> None:
        """A look and the pause before it took so long."""
        if self._left is not None:
            self._left -= seconds


def _named(message: Message) -> str:
    reason = message.cancel_reason or message.held_reason
    return f"{message.status} ({reason})" if reason else message.status


def succeeded(status: int) -> bool:
    """Whether an answer is one of success."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
