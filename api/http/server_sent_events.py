"""Streams of server-sent events (HTML Living Standard, section 9.2): written for as long as somebody reads and may."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import hdrs, web

from api.http.auth import authenticate_again
from api.http.problems import RequestError

STREAM: Final = "text/event-stream"
PATIENCE_SECONDS: Final = 10.0
"""How long a listener may read nothing before its connection is closed."""
_HEADERS: Final = {
    hdrs.CONTENT_TYPE: STREAM,
    hdrs.CACHE_CONTROL: "no-store",
    # nginx would otherwise gather events before it passes them on.
    "X-Accel-Buffering": "no",
}


async def stream(
    request: web.Request, written: AsyncIterator[bytes], *, recheck_events: int, recheck_seconds: float
) -> web.StreamResponse:
    """Writes what comes, until it ends, the listener goes, or its credential is no longer good.

    That is checked after so many pieces, heartbeats among them, or so much time. The caller closes the iterator.
    """
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    clock = asyncio.get_running_loop().time
    number, checked = 0, clock()
    async for each in written:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await response.write(each)
        except (TimeoutError, ConnectionError):
            _abort(request)
            break
        number += 1
        if number % recheck_events == 0 or clock() - checked >= recheck_seconds:
            checked = clock()
            if not await _still_allowed(request):
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
