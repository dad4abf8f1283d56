"""What can go wrong.

    Error
    ├── NoAnswerError        no connection, or no answer in time
    ├── NotReachedError      `wait`: the message will not come to where it was waited for, or not in time
    ├── StoppedError         `send_many` stopped on its way; says where, and how it goes on
    └── RefusedError         the API answered, and not with success
        ├── InvalidError         400, 422: something in the request is wrong; `faults` says what
        ├── UnauthorizedError    401: no key, or a wrong one
        ├── ForbiddenError       403: the key may not do this
        ├── NotFoundError        404
        ├── ConflictError        409, 412: not in the state that the message is in
        ├── TooLargeError        413
        ├── OverQuotaError       429: later again; `retry_after` says when
        └── ServerError          500 and more
            └── UnavailableError     502, 503, 504: later again

The client has asked again, as long as its patience lasts, wherever that cannot do a thing twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tidings_client.models import Message


class Error(Exception):
    """Everything that this package raises by itself."""


class NoAnswerError(Error):
    """No connection, or no answer in time: whether the request was done is not known."""

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(text)
        self.sent = sent
        """False where the request cannot have got there."""


class NotReachedError(Error):
    """The message will not come to where it was waited for, or has not in time."""

    def __init__(self, text: str, message: Message) -> None:
        super().__init__(text)
        self.message = message
        """As it was seen last."""


class StoppedError(Error):
    """`send_many` stopped. The same messages under the same `key` go on from there, and none is kept twice."""

    def __init__(self, text: str, *, key: str, accepted: int, position: int) -> None:
        super().__init__(text)
        self.key = key
        self.accepted = accepted
        self.position = position
        """How many messages, from the first, have been dealt with."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request."""

    detail: str
    field: str | None = None
    index: int | None = None
    """Which message of several, from 0."""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.field, self.detail)))


class RefusedError(Error):
    """The API answered, and not with success."""

    def __init__(self, status: int, problem: Mapping[str, Any], *, retry_after: float | None = None) -> None:
        self.status = status
        self.problem = problem
        """The answer, where it was a problem document (RFC 9457)."""
        self.retry_after = retry_after
        """Seconds, where the API said so."""
        super().__init__(f"the API refused ({status}): {self.detail}")

    @property
    def detail(self) -> str:
        """What is wrong, in a sentence."""
        return str(self.problem.get("detail") or self.problem.get("title") or "it gave no reason")

    @property
    def faults(self) -> Sequence[Fault]:
        """Each thing that is wrong with the request."""
        found = self.problem.get("errors") or ()
        return tuple(Fault(str(each.get("detail", "")), each.get("field"), each.get("index")) for each in found)


class InvalidError(RefusedError):
    """Something in the request is wrong."""


class UnauthorizedError(RefusedError):
    """No key, or a wrong one."""


class ForbiddenError(RefusedError):
    """The key may not do this."""


class NotFoundError(RefusedError):
    """There is no such thing, or it is somebody else's."""


class ConflictError(RefusedError):
    """Not in the state in which it is."""


class TooLargeError(RefusedError):
    """More bytes than the API takes."""


class OverQuotaError(RefusedError):
    """More than the quota has room for at present."""


class ServerError(RefusedError):
    """The API failed."""


class UnavailableError(ServerError):
    """The API, or a store behind it, is away for a while."""


_BY_STATUS: Final[Mapping[int, type[RefusedError]]] = {
    HTTPStatus.BAD_REQUEST: InvalidError,
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.PRECONDITION_FAILED: ConflictError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLargeError,
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidError,
    HTTPStatus.TOO_MANY_REQUESTS: OverQuotaError,
    HTTPStatus.BAD_GATEWAY: UnavailableError,
    HTTPStatus.SERVICE_UNAVAILABLE: UnavailableError,
    HTTPStatus.GATEWAY_TIMEOUT: UnavailableError,
}


def refusal(status: int, body: bytes, retry_after: str | None = None) -> RefusedError:
    """The error for an answer that is not a success."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    kind = _BY_STATUS.get(status, ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else RefusedError)
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return kind(status, problem if isinstance(problem, dict) else {}, retry_after=seconds)
