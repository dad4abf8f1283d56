"""Errors as clients see them: always problem documents (RFC 9457).

The kind of a problem is its status, so `type` is `about:blank` and `title` the phrase of the status. What is wrong is
in `detail`, and where a client wrote it, each fault stands in `errors`.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from msgspec import Meta

from sql.database import AWAY
from tidings.domain.errors import StoreUnavailableError, TidingsError

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = "1"
STORE_AWAY: Final = "the store does not answer at present"

_DETAILS: Final = {
    HTTPStatus.NOT_FOUND: "there is nothing under this path",
    HTTPStatus.METHOD_NOT_ALLOWED: "this path does not know the method; Allow names those that it knows",
}
_DROPPED_HEADERS: Final = frozenset({"content-type", "content-length"})


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong with what a client wrote."""

    index: Annotated[int | None, Meta(description="Which message of a batch, from 0.")] = None
    field: Annotated[str | None, Meta(description="The member, query parameter or header at fault.")] = None
    detail: str


class RequestError(TidingsError):
    """A request that is answered with a problem document."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


class InvalidError(RequestError):
    """The request is well-formed and still invalid."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        first = faults[0]
        where = "" if first.index is None else f"message {first.index}: "
        named = f"{first.field} {first.detail}" if first.field else first.detail
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}{named}{more}", errors=faults)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457)."""

    type: Annotated[str, Meta(description="`about:blank`: the status says what kind of problem it is.")]
    title: Annotated[str, Meta(description="The phrase of the status.")]
    status: int
    detail: Annotated[str, Meta(description="What is wrong, in a sentence.")]
    instance: Annotated[str, Meta(description="The path of the request.")]
    errors: Annotated[Sequence[Fault], Meta(description="Each thing that a client wrote wrong.")] = ()


def document(status: int, detail: str, path: str, errors: Sequence[Fault] = ()) -> Problem:
    """The problem document for what went wrong under a path."""
    title = HTTPStatus(status).phrase
    return Problem(type="about:blank", title=title, status=status, detail=detail, instance=path, errors=errors)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers every error with a problem document, and shows nothing of the inside."""
    try:
        return await handler(request)
    except RequestError as problem:
        return _answer(request, problem)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _answer(request, _of_aiohttp(error, request))
    except StoreUnavailableError as error:
        return _answer(request, _unavailable(str(error)))
    except AWAY as error:
        log.warning("store unavailable", route=_route(request), error=f"{type(error).__name__}: {error}")
        return _answer(request, _unavailable(STORE_AWAY))
    except Exception:
        log.exception("a request failed", method=request.method, route=_route(request))
        return _answer(request, RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "the fault is ours, and it is logged"))


def _route(request: web.Request) -> str | None:
    """What the log says of where a request went: paths and queries hold addresses."""
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical


def _of_aiohttp(error: web.HTTPException, request: web.Request) -> RequestError:
    status = HTTPStatus(error.status)
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = f"the body is larger than {request.client_max_size} bytes"
    else:
        detail = _DETAILS.get(status, error.reason)
    headers = {name: value for name, value in error.headers.items() if name.lower() not in _DROPPED_HEADERS}
    return RequestError(status, detail, headers=headers)


def _unavailable(detail: str) -> RequestError:
    return RequestError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={hdrs.RETRY_AFTER: RETRY_AFTER_SECONDS})


def _answer(request: web.Request, problem: RequestError) -> web.Response:
    problem_document = document(problem.status, problem.detail, request.rel_url.raw_path, problem.errors)
    response = web.Response(
        body=msgspec.json.encode(problem_document),
        status=problem.status,
        headers={**problem.headers, hdrs.CONTENT_TYPE: MEDIA_TYPE},
    )
    if hdrs.CONNECTION in problem.headers:
        response.force_close()
    return response
