"""What each older system declares, and the translation of errors into its format.

Every error of a request ends as a problem document. `in_their_format` is outside of all of that: where the
path belongs to one of these systems, it sends the same in the format that the system's clients know: a wrong token, an
unknown method, a body that is no JSON, a store that is away.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from api.http import problems
from api.http.body import ENCODED, answer


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, out of a problem document."""

    status: int
    detail: str


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The error format of two of the systems."""

    error: str


def _respond(problem: Problem) -> web.Response:
    return answer(ErrorAnswer(problem.detail))


_UNPROCESSABLE_IS_BAD: Final[Mapping[int, int]] = MappingProxyType(
    {
        HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.BAD_REQUEST,
    }
)
"""For systems that return 400 for every fault of a body."""


class System(msgspec.Struct, frozen=True, kw_only=True):
    """The interface of one system."""

    routes: Sequence[web.RouteDef]
    paths: re.Pattern[str]
    """The paths that belong to the system, known or not."""
    statuses: Mapping[int, int] = _UNPROCESSABLE_IS_BAD
    """Where the system has another status than the native API."""
    error: Any = ErrorAnswer
    """The type of what `respond` returns: a struct for JSON, or `str`."""
    respond: Callable[[Problem], web.Response] = _respond
    """A problem in the system's format; its status is already the system's."""


_DROPPED_HEADERS: Final = frozenset({"content-type", "content-length"})


def in_their_format(systems: Sequence[System]) -> Middleware:
    """The middleware; it must be outside of `problems`. A path that two systems claim belongs to the first."""

    @web.middleware
    async def translated(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if response.content_type != problems.MEDIA_TYPE or not isinstance(response, web.Response):
            return response
        for system in systems:
            if system.paths.fullmatch(request.path):
                return _translate(system, response)
        return response

    return translated


def status_of(statuses: Mapping[int, int], status: int, detail: str) -> int:
    """What a status of the native API is for a system. A body that is encoded is 415 with every one: none of them knows
    such a body, and 400 or 422 would say that there is a fault in what nobody has read."""
    return status if detail == ENCODED else statuses.get(status, status)


def _translate(system: System, response: web.Response) -> web.Response:
    problem = msgspec.json.decode(response.body, type=Problem)  # type: ignore[arg-type]  # problems are bytes
    status = status_of(system.statuses, problem.status, problem.detail)
    translated = system.respond(msgspec.structs.replace(problem, status=status))
    translated.set_status(status)
    for name, value in response.headers.items():
        if name.lower() not in _DROPPED_HEADERS:
            translated.headers[name] = value
    if hdrs.CONNECTION in response.headers:
        translated.force_close()
    return translated
