"""Bodies: JSON in, by msgspec straight into a struct, and JSON out, encoded once."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import hdrs, web

from api.http.problems import Fault, InvalidError, RequestError
from tidings.domain.budget import ByteBudget

MEDIA_TYPE: Final = "application/json"
MAX_BYTES: Final = 1024**2
LARGE_BYTES: Final = 64 * 1024**2
"""Of larger bodies, in memory at once; further requests wait."""
LARGE_SECONDS: Final = 60.0
"""How long one may take to arrive."""
LARGE_BODIES: Final = web.AppKey("large bodies", ByteBudget)
NOT_WHOLE: Final = "the body did not arrive whole"
ANOTHER_TYPE: Final = f"the body must be {MEDIA_TYPE}, in UTF-8"

_encoder: Final = msgspec.json.Encoder()

_POSITION: Final = re.compile(r" - at `(?:key` in `)?\$\.?(?P<field>[^\[`]*)[^`]*`$")
_MEMBER: Final = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<field>.*)`", re.DOTALL)

T = TypeVar("T")


@asynccontextmanager
async def large_body(request: web.Request, *, max_bytes: int) -> AsyncIterator[None]:
    """Waits until there is room for a large body, and keeps it for the block. Raises RequestError."""
    size = request.content_length or 0
    if size <= MAX_BYTES:
        yield
        return
    if size > max_bytes:
        raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {max_bytes} bytes")
    async with request.app[LARGE_BODIES].lend(size):
        yield


async def read(
    request: web.Request,
    decoder: "msgspec.json.Decoder[T]",
    *,
    any_type: bool = False,
    max_bytes: int = MAX_BYTES,
) -> T:
    """The decoded body; with `any_type` it need not be labelled as JSON.

    One of more than MAX_BYTES must say its length, so that there is room for it before it comes.

    Raises RequestError: 415 for another media type, 413 for a body that is too large, 400 for one that is not JSON, 422
    naming the field for one that does not fit.
    """
    # A body without a type is refused too: a page in somebody's browser can send one anywhere, and JSON only where it
    # is allowed to (CORS).
    said_json = request.content_type == MEDIA_TYPE and (request.charset or "utf-8").lower() == "utf-8"
    if not (said_json or any_type):
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ANOTHER_TYPE)
    try:
        if MAX_BYTES < (request.content_length or 0) <= max_bytes:
            async with asyncio.timeout(LARGE_SECONDS):
                body = await request.clone(client_max_size=max_bytes).read()
        else:
            body = await request.read()
    except TimeoutError:
        raise RequestError(HTTPStatus.REQUEST_TIMEOUT, NOT_WHOLE) from None
    except (web.RequestPayloadError, OSError):
        raise RequestError(HTTPStatus.BAD_REQUEST, NOT_WHOLE) from None
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidError([fault_of(error)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {_reason(error)}") from None


def answer(value: Any, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response with the value as JSON."""
    return web.Response(
        body=_encoder.encode(value),
        status=status,
        headers={hdrs.CONTENT_TYPE: MEDIA_TYPE, **(headers or {})},
    )


def fault_of(error: msgspec.ValidationError, *, index: int | None = None) -> Fault:
    """The fault in a ValidationError of msgspec, with its field."""
    text = str(error)
    place = _POSITION.search(text)
    text = _POSITION.sub("", text)
    if member := _MEMBER.fullmatch(text):
        detail = "is missing" if member["what"] == "missing required" else "is unknown"
        if place and place["field"]:
            return Fault(detail=f"{member['field']} {detail}", field=place["field"], index=index)
        return Fault(detail=detail, field=member["field"], index=index)
    detail = f"{text[:1].lower()}{text[1:]}".replace("`", "")
    return Fault(detail=detail, field=place["field"] or None if place else None, index=index)


def _reason(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
    return str(error).removeprefix("JSON is malformed: ")
