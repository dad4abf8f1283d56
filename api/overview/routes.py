"""The overview: once, or as a stream. It shows everybody's messages, so it is for admins."""

import asyncio
from contextlib import aclosing
from typing import Final

import structlog
from aiohttp import hdrs, web

from api.http.auth import authenticate_again
from api.http.body import answer
from api.http.problems import RequestError
from api.http.resources import FEED, OVERVIEWS
from api.openapi import examples, tags
from api.openapi.operation import Access, Answer, operation
from api.overview.schemas import Overview
from tidings.domain.api_key import Scope

log = structlog.get_logger(__name__)

STREAM: Final = "text/event-stream"
PATIENCE_SECONDS: Final = 10.0
"""How long a listener may read nothing before its connection is closed."""
RECHECK_EVENTS: Final = 5
"""Events after which it is checked whether the listener may still see them."""
_HEADERS: Final = {
    hdrs.CONTENT_TYPE: STREAM,
    hdrs.CACHE_CONTROL: "no-store",
    # nginx would otherwise gather events before it passes them on.
    "X-Accel-Buffering": "no",
}


@operation(
    tags.OVERVIEW,
    access=Access.ADMINS,
    scope=Scope.READ,
    whole=True,
    answers=Answer("How it is now, and the last hour.", Overview, examples.OVERVIEW),
)
async def get(request: web.Request) -> web.Response:
    """Shows what goes on.

    What waits, what is being done and how fast, by channel and queue, which consumers are at work, and the last hour in
    steps of 5 s. What is unknown because a store is away is null, and `checks` says which.
    """
    return answer(await request.app[OVERVIEWS].whole())


@operation(
    tags.OVERVIEW,
    access=Access.ADMINS,
    scope=Scope.READ,
    whole=True,
    answers=Answer(
        "Events called `overview`, about one a second.", None, "event: overview\ndata: {…}\n\n", media_type=STREAM
    ),
)
async def events(request: web.Request) -> web.StreamResponse:
    """Shows what goes on, again and again.

    Server-sent events, each the JSON of an overview: the first with the whole history, the others with its last steps.
    """
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    async with aclosing(request.app[FEED].events()) as stream:
        number = 0
        async for each in stream:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await response.write(each)
            except (TimeoutError, ConnectionError):
                _abort(request)
                break
            number += 1
            if number % RECHECK_EVENTS == 0 and not await _still_allowed(request):
                break
    return response


async def _still_allowed(request: web.Request) -> bool:
    try:
        await authenticate_again(request)
    except RequestError:
        return False
    return True


def _abort(request: web.Request) -> None:
    """Closes the connection at once; a clean end would wait for a client that does not read."""
    if request.transport is not None:
        request.transport.abort()
