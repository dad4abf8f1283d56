"""Bodies: JSON in, by msgspec straight into a struct, and JSON out, encoded once."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler

from api.http.problems import Fault, InvalidError, RequestError
from api.openapi.operation import MAX_BYTES, max_bytes_of
from tidings.domain.budget import ByteBudget

MEDIA_TYPE: Final = "application/json"
SERVER: Final[dict[str, Any]] = {"auto_decompress": False, "lingering_time": 1.0}
"""Of aiohttp's server: a body is never unpacked, and what nobody reads of one is passed over for a second; then the
connection is closed."""
LARGE_BYTES: Final = 64 * 1024**2
"""Of larger bodies, in memory at once; further requests wait."""
LARGE_SECONDS: Final = 60.0
"""How long one may take to arrive."""
LARGE_BODIES: Final = web.AppKey("large bodies", ByteBudget)
NOT_WHOLE: Final = "the body did not arrive whole"
ANOTHER_TYPE: Final = f"the body must be {MEDIA_TYPE}, in UTF-8"
MAX_TYPE: Final = 256
"""Letters of a media type with its parameters."""
ENCODED: Final = "a body is taken as it is: without Content-Encoding"
CLOSE: Final[Mapping[str, str]] = {hdrs.CONNECTION: "close"}
"""With an answer to a body that nobody reads to its end."""

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
        raise too_large(max_bytes)
    async with request.app[LARGE_BODIES].lend(size):
        yield


async def read(
    request: web.Request,
    decoder: "msgspec.json.Decoder[T]",
    *,
    any_type: bool = False,
    max_bytes: int | None = None,
) -> T:
    """The decoded body; with `any_type` it need not be labelled as JSON.

    It may have as many bytes as the operation declares, or `max_bytes`. One of more than MAX_BYTES must say its length,
    so that there is room for it before it comes.

    Raises RequestError: 415 for another media type, 413 for a body that is too large, 400 for one that is not JSON, 422
    naming the field for one that does not fit.
    """
    # A body without a type is refused too: a page in somebody's browser can send one anywhere, and JSON only where it
    # is allowed to (CORS).
    said_json = request.content_type == MEDIA_TYPE and (request.charset or "utf-8").lower() == "utf-8"
    if not (said_json or any_type):
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ANOTHER_TYPE)
    limit = max_bytes_of(request.match_info.handler) if max_bytes is None else max_bytes
    size = request.content_length
    if size is not None and size > limit:
        raise too_large(limit)
    await go_on(request)
    large = size is not None and size > MAX_BYTES
    limit = limit if large else min(limit, MAX_BYTES)
    try:
        async with asyncio.timeout(LARGE_SECONDS if large else None):
            body = await (request if limit == MAX_BYTES else request.clone(client_max_size=limit)).read()
    except TimeoutError:
        raise RequestError(HTTPStatus.REQUEST_TIMEOUT, NOT_WHOLE, headers=CLOSE) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large(limit) from None
    except (web.RequestPayloadError, OSError):
        raise RequestError(HTTPStatus.BAD_REQUEST, NOT_WHOLE) from None
    return decoded(body, decoder)


def decoded(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """What is in a body of JSON. Raises RequestError: 400 for what is none, 422 for what does not fit."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidError([fault_of(error)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {_reason(error)}") from None


def too_large(limit: int) -> RequestError:
    """That a body has more bytes than are read."""
    detail = f"the body is larger than {limit} bytes"
    return RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers=CLOSE)


async def not_yet(_request: web.Request) -> None:
    """In place of aiohttp's own answer to `Expect`, which asks for every body before anybody has looked at its head."""


async def go_on(request: web.Request) -> None:
    """Asks for the body, where the client waits for that (RFC 9110, section 10.1.1): all that comes first has passed.

    Raises RequestError for what else it expects.
    """
    expected = request.headers.get(hdrs.EXPECT)
    if expected is None or request.version < HttpVersion11:
        return
    if expected.lower() != "100-continue":
        raise RequestError(HTTPStatus.EXPECTATION_FAILED, "Expect may be 100-continue", headers=CLOSE)
    if request.can_read_body:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


@web.middleware
async def plain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses a body that would have to be unpacked: a few kB of it may stand for gigabytes.

    And one of so long a type that reading that would take seconds: its grammar has comments in comments.
    """
    if len(request.headers.get(hdrs.CONTENT_TYPE, "")) > MAX_TYPE:
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ANOTHER_TYPE, headers=CLOSE)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() not in {"identity", ""}:
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ENCODED, headers={**CLOSE, "Accept-Encoding": "identity"})
    return await handler(request)


def expecting(routes: Iterable[web.AbstractRouteDef]) -> Iterator[web.AbstractRouteDef]:
    """The routes, with `not_yet`."""
    for route in routes:
        if not isinstance(route, web.RouteDef):
            raise TypeError(f"{route} has no handler of its own")
        yield web.RouteDef(route.method, route.path, route.handler, {**route.kwargs, "expect_handler": not_yet})


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
