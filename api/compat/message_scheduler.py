"""Message Scheduler System: print a message at a time."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from api.body import read
from api.compat import javascript_date
from api.compat.acceptance import accept
from api.compat.javascript_date import is_truthy
from api.compat.system import UNPROCESSABLE_IS_BAD, Problem, System
from api.problems import RequestError
from api.schemas import MessageRequest
from tidings.model import utc_now

NAMES: Final = {"content": "message", "due_at": "time"}

_decoder: Final = msgspec.json.Decoder()


async def echo_at_time(request: web.Request) -> web.Response:
    """Keeps a message for a time; what is past is printed now."""
    time, message = await _read(request)
    if not (is_truthy(time) and is_truthy(message)):
        raise RequestError(HTTPStatus.BAD_REQUEST, "Missing time or message")
    moment = javascript_date.parse(time)
    if moment is None:
        raise RequestError(HTTPStatus.BAD_REQUEST, "Invalid time format")
    kept = await accept(
        request,
        MessageRequest(channel="echo", recipient="log", content=_text(message), due_at=_due_at(moment)),
        names=NAMES,
    )
    return web.Response(text="Message scheduled successfully", headers={hdrs.LOCATION: f"/api/v1/messages/{kept.id}"})


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
    return message if isinstance(message, str) else msgspec.json.encode(message).decode()


def _due_at(moment: datetime) -> str | None:
    # Any past is now, however long ago; the native API refuses a time more than ten years away.
    return moment.isoformat() if moment > utc_now() else None


def _say(problem: Problem) -> web.Response:
    return web.Response(text=problem.detail)


SYSTEM: Final = System(
    routes=(web.post("/echoAtTime", echo_at_time),),
    paths=re.compile(r"/echoAtTime(/.*)?"),
    statuses=UNPROCESSABLE_IS_BAD,
    say=_say,
)
