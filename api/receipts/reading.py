"""Reads the body of a report as it came, since its signature is over each byte."""

import asyncio
from http import HTTPStatus
from typing import Final

from aiohttp import web

from api.http.body import CLOSE, NOT_WHOLE, go_on, too_large
from api.http.problems import RequestError

READ_SECONDS: Final = 5.0


async def read_whole(request: web.Request, *, limit: int) -> bytes:
    """Raises RequestError: 413 for more than `limit` bytes, 408 for one that is slow, 400 for one that breaks off."""
    if (request.content_length or 0) > limit:
        raise too_large(limit)
    await go_on(request)
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await request.clone(client_max_size=limit).read()
    except TimeoutError:
        raise RequestError(HTTPStatus.REQUEST_TIMEOUT, NOT_WHOLE, headers=CLOSE) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large(limit) from None
    except (web.RequestPayloadError, OSError):
        raise RequestError(HTTPStatus.BAD_REQUEST, NOT_WHOLE) from None
