"""The overview: once, or as a stream. It shows everybody's messages, so it is for admins."""

from contextlib import aclosing
from typing import Final

from aiohttp import web

from api.http.body import answer
from api.http.resources import FEED, OVERVIEWS
from api.http.server_sent_events import STREAM, stream
from api.openapi import examples, tags
from api.openapi.operation import Access, Answer, operation
from api.overview.schemas import Overview
from tidings.domain.api_key import Scope

RECHECK_EVENTS: Final = 5
"""Events after which it is checked whether the listener may still see them."""
RECHECK_SECONDS: Final = 10.0


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
    async with aclosing(request.app[FEED].events()) as written:
        return await stream(request, written, recheck_events=RECHECK_EVENTS, recheck_seconds=RECHECK_SECONDS)
