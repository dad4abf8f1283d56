"""Message Scheduler System: print a message at a time."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from api.compat import javascript_date
from api.compat.javascript_date import LONGEST, is_truthy
from api.compat.native import accept
from api.compat.system import Problem, System
from api.http.body import read
from api.http.problems import RequestError
from api.messages.schemas import MessageRequest
from api.openapi import failures
from api.openapi.operation import TEXT, Access, Answer, Body, Tag, operation
from tidings.domain.api_key import Scope
from tidings.domain.timestamps import utc_now

NAMES: Final = {"content": "message", "due_at": "time"}

TAG: Final = Tag("Message Scheduler System", "An older system: print a message at a time.")

SCHEDULED: Final = "Message scheduled successfully"
MISSING: Final = "Missing time or message"
INVALID_TIME: Final = "Invalid time format"


MAX_BODY: Final = 100 * 1024
"""Bytes, as in the original (`express.json()`)."""

_FALSY: Final = {"not": {"enum": [None, False, 0, ""]}}
_Time = Annotated[Any, Meta(extra_json_schema={**_FALSY, "maxLength": LONGEST})]
_Truthy = Annotated[Any, Meta(extra_json_schema=_FALSY)]


class EchoRequest(msgspec.Struct, frozen=True):
    """A message, and when to print it. As in JavaScript, what is null, false, 0 or empty is missing."""

    time: Annotated[
        _Time,
        Meta(description="Whatever a JavaScript `Date` reads: mostly a text in ISO 8601, or milliseconds since 1970."),
    ]
    message: Annotated[_Truthy, Meta(description="A text; anything else is printed as JSON.")]


_decoder: Final = msgspec.json.Decoder()


@operation(
    TAG,
    access=Access.MEMBERS,
    scope=Scope.SEND,
    body=Body(
        _decoder,
        {
            "at a time": {"time": "2030-01-31T09:00:00Z", "message": "Good morning"},
            "in milliseconds": {"time": 1896080400000, "message": "Good morning"},
        },
        type=EchoRequest,
        max_bytes=MAX_BODY,
    ),
    answers=Answer("It is kept.", str, SCHEDULED, media_type=TEXT, headers={hdrs.LOCATION: "The path of the message."}),
    errors={HTTPStatus.BAD_REQUEST: MISSING, HTTPStatus.UNPROCESSABLE_ENTITY: INVALID_TIME, **failures.QUOTA},
)
async def echo_at_time(request: web.Request) -> web.Response:
    """Keeps a message for a time.

    What is past is printed now.
    """
    time, message = await _read(request)
    if not (is_truthy(time) and is_truthy(message)):
        raise RequestError(HTTPStatus.BAD_REQUEST, MISSING)
    parsed = javascript_date.parse(time)
    if parsed is None:
        raise RequestError(HTTPStatus.BAD_REQUEST, INVALID_TIME)
    kept = await accept(
        request,
        MessageRequest(channel="echo", recipient="log", content=_text(message), due_at=_due_at(parsed)),
        names=NAMES,
    )
    return web.Response(text=SCHEDULED, headers={hdrs.LOCATION: f"/api/v1/messages/{kept.id}"})


async def _read(request: web.Request) -> tuple[Any, Any]:
    """Time and message, None where they are absent; a body of another type has neither."""
    try:
        body = await read(request, _decoder)
    except RequestError as error:
        if error.status is not HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            raise
        body = None
    return (body.get("time"), body.get("message")) if isinstance(body, dict) else (None, None)


def _text(message: Any) -> str:
    """A text as it is, anything else as JSON."""
    try:
        return message if isinstance(message, str) else msgspec.json.encode(message).decode()
    except RecursionError:  # what can be read cannot always be written
        raise RequestError(HTTPStatus.BAD_REQUEST, "the message is nested too deeply") from None


def _due_at(parsed: datetime) -> str | None:
    # Any past is now, however long ago; the native API refuses a time more than ten years away.
    return parsed.isoformat() if parsed > utc_now() else None


def _respond(problem: Problem) -> web.Response:
    return web.Response(text=problem.detail)


SYSTEM: Final = System(
    routes=(web.post("/echoAtTime", echo_at_time),),
    paths=re.compile(r"/echoAtTime(/.*)?"),
    error=str,
    respond=_respond,
)
