"""What every system here says of itself, and its errors in its own words.

Whatever goes wrong with a request ends as a problem document. `in_their_words` stands around all of that: where the
path belongs to one of these systems, it says the same in the way that the system's clients know, be it a wrong token,
a method that the path does not have, a body that is no JSON or a store that is away.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from api.http import problems


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, out of a problem document."""

    status: int
    detail: str


class ErrorAnswer(msgspec.Struct, frozen=True):
    """What two of the systems say where something went wrong."""

    error: str


class System(msgspec.Struct, frozen=True, kw_only=True):
    """The interface of one system."""

    routes: Sequence[web.RouteDef]
    paths: re.Pattern[str]
    """The paths that are the system's own, whether there is something under them or not."""
    statuses: Mapping[int, int]
    """Where the system has another status than the native API."""
    error: Any
    """The type of what `say` returns: a struct for JSON, or `str`."""
    say: Callable[[Problem], web.Response]
    """A problem in the system's words; its status is already the system's."""


UNPROCESSABLE_IS_BAD: Final[Mapping[int, int]] = {
    HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.BAD_REQUEST,
}
"""For systems that call everything that is wrong with a body 400."""

_DROPPED_HEADERS: Final = frozenset({"content-type", "content-length"})


def in_their_words(systems: Sequence[System]) -> Middleware:
    """The middleware, to stand outside of `problems`. Where two systems claim a path, it is the first one's."""

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


def _translate(system: System, response: web.Response) -> web.Response:
    problem = msgspec.json.decode(response.body, type=Problem)  # type: ignore[arg-type]  # problems are bytes
    status = system.statuses.get(problem.status, problem.status)
    translated = system.say(msgspec.structs.replace(problem, status=status))
    translated.set_status(status)
    for name, value in response.headers.items():
        if name.lower() not in _DROPPED_HEADERS:
            translated.headers[name] = value
    return translated
