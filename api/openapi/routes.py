"""The API's description of itself, for programs; `api.swagger` shows it to people. Open to everybody."""

import asyncio
from typing import Any

from aiohttp import web

from api.http.body import MEDIA_TYPE
from api.openapi import tags
from api.openapi.document import DOCUMENT
from api.openapi.operation import Access, Answer, operation


@operation(
    tags.REFERENCE, access=Access.EVERYBODY, answers=Answer("The document.", dict[str, Any], {"openapi": "3.1.1"})
)
async def get(request: web.Request) -> web.Response:
    """Shows this document (OpenAPI 3.1).

    At `/swagger/` it can be read, and tried out.
    """
    # Made on the first request, which would block other requests for long enough to be felt.
    document = await asyncio.to_thread(request.app[DOCUMENT].encode)
    response = web.Response(body=document, content_type=MEDIA_TYPE)
    response.enable_compression()
    return response
