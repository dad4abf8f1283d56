"""What aiohttp would answer and log by itself, said by us: no byte of a request is in either.

A request that is no HTTP never reaches a handler, so what it may hold, such as a key beside a stray control character,
must not be shown to whoever reads the log, nor to a proxy that logs answers.
"""

import sys
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from aiohttp import ClientConnectionError, hdrs, http_exceptions, web
from aiohttp.abc import AbstractAccessLogger

from api.http.headers import SAFE
from api.http.peer import client_address
from api.http.problems import MEDIA_TYPE, document
from api.http.tally import Tally

log = structlog.get_logger(__name__)

MAX_LINE_BYTES: Final = 8190
"""Of the line of a request, with its URL."""
MAX_HEADER_BYTES: Final = 8192
"""Of a header; another number than MAX_LINE_BYTES, since aiohttp tells by it alone which of them was too long."""

_DETAILS: Final = {
    HTTPStatus.BAD_REQUEST: "this is no HTTP request",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"the line of the request is longer than {MAX_LINE_BYTES} bytes",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"a header is longer than {MAX_HEADER_BYTES} bytes",
    HTTPStatus.EXPECTATION_FAILED: "Expect may be 100-continue only",
    HTTPStatus.INTERNAL_SERVER_ERROR: "the fault is ours, and it is logged",
}
_malformed = Tally("malformed requests")
_OF_CLIENTS: Final = (
    http_exceptions.HttpProcessingError,
    web.RequestPayloadError,
    ConnectionError,
    ClientConnectionError,
)


def refused(error: http_exceptions.HttpProcessingError) -> web.Response:
    """The answer to what could not be read as HTTP; counted in the log."""
    status = HTTPStatus.BAD_REQUEST
    if isinstance(error, http_exceptions.LineTooLong):
        of_line = str(MAX_LINE_BYTES) in map(str, error.args[1:2])
        status = HTTPStatus.REQUEST_URI_TOO_LONG if of_line else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    _malformed.count(type(error).__name__)
    return _page(status)


def failed(error: BaseException | None, status: int) -> web.Response:
    """The answer to what none of our own handlers answered."""
    log.error("a request failed outside of its handler", exc_info=error)
    return _page(HTTPStatus(status))


def replaced(answer: web.StreamResponse) -> web.StreamResponse:
    """An error of aiohttp's own as a problem, such as one that repeats a header of the request."""
    if isinstance(answer, web.HTTPException) and answer.status >= HTTPStatus.BAD_REQUEST:
        return _page(HTTPStatus(answer.status))
    return answer


def ended(error: BaseException | None) -> None:
    """Logs why a connection ended that was in the middle of something."""
    if isinstance(error, _OF_CLIENTS):
        _malformed.count(type(error).__name__)
    else:
        log.error("a connection failed", exc_info=error)


class RequestLog(AbstractAccessLogger):
    """One line for each request, at DEBUG: its route, since paths and queries hold addresses."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if not isinstance(request, web.Request) or request._match_info is None:  # noqa: SLF001  malformed: counted above
            return
        resource = request.match_info.route.resource
        log.debug(
            "request",
            method=request.method,
            route="unmatched" if resource is None else resource.canonical,
            status=response.status,
            client=str(client_address(request)),
            seconds=round(time, 4),
        )


def _page(status: HTTPStatus) -> web.Response:
    problem = document(status, _DETAILS.get(status, status.description or status.phrase), "")
    answer = web.Response(
        body=msgspec.json.encode(problem), status=status, headers={**SAFE, hdrs.CONTENT_TYPE: MEDIA_TYPE}
    )
    answer.force_close()
    return answer


def error_in(keywords: dict[str, Any]) -> BaseException | None:
    """What a call of `Logger.exception` speaks of."""
    given = keywords.get("exc_info")
    return given if isinstance(given, BaseException) else sys.exception()
