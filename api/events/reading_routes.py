"""Status events, read by programs that have no endpoint: a page, a stream, and whether they are kept for that."""

import re
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from api.audit.record import audit, together
from api.events import examples
from api.events.reading import TooManyStreamsError, body_of
from api.events.schemas import EventReading, EventReadingRequest, StatusEventPage
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.problems import Fault, InvalidError
from api.http.resources import STATUS_STREAMS, STORE
from api.http.server_sent_events import STREAM, stream
from api.messages.listing import DEFAULT_LIMIT, parse_limit, values_of
from api.openapi import tags
from api.openapi.operation import Access, Answer, Body, Operations, Parameter, operation
from api.openapi.parameters import PAGE
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action

RECHECK_EVENTS: Final = 100
RECHECK_SECONDS: Final = 10.0
LAST_EVENT_ID: Final = "Last-Event-ID"
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_Number = Annotated[int, Meta(ge=0, lt=10**18)]
_decoder: Final = msgspec.json.Decoder(EventReadingRequest)

_AFTER: Final = Parameter("after", _Number, "The `sequence` of the last one that you have.", 4711)

_of_reading: Final = Operations(tag=tags.EVENTS, access=Access.MEMBERS, scope=Scope.READ, whole=True)


@operation(
    tags.EVENTS,
    access=Access.MEMBERS,
    scope=Scope.READ,
    whole=True,
    parameters=(_AFTER, PAGE[0]),
    answers=Answer("The next ones.", StatusEventPage, examples.STATUS_EVENTS),
)
async def list_after(request: web.Request) -> web.Response:
    """Lists your own status events, the oldest first.

    Ask again with the last `sequence` as `after`: no event is left out, whatever was committed meanwhile.
    """
    values = values_of(request.query, {"after": parse_number, "limit": parse_limit})
    user_id, store = principal(request).user_id, request.app[STORE].status_events
    after, limit = values.get("after", 0), values.get("limit", DEFAULT_LIMIT)
    found = await store.after(user_id, after, limit=limit)
    return answer(
        {"events": [msgspec.Raw(body_of(event)) for event in found], "last": found[-1].sequence if found else after}
    )


@operation(
    tags.EVENTS,
    access=Access.MEMBERS,
    scope=Scope.READ,
    whole=True,
    parameters=(
        _AFTER,
        Parameter(LAST_EVENT_ID, _Number, "The same, as browsers send it when they connect again.", 4711, "header"),
    ),
    answers=Answer(
        "Events called by their types, each with its `sequence` as its id.",
        None,
        'id: 4712\nevent: message.sent\ndata: {"id": …}\n\n',
        media_type=STREAM,
    ),
    errors={HTTPStatus.TOO_MANY_REQUESTS: TooManyStreamsError.example},
)
async def events(request: web.Request) -> web.StreamResponse:
    """Streams your own status events as they come.

    Server-sent events: after the one that `Last-Event-ID` or `after` names, or from now on. A comment comes every 10 s
    where nothing else does. The stream ends when your session or key does; five may be open at a time.
    """
    after = _position(request)
    user_id, streams = principal(request).user_id, request.app[STATUS_STREAMS]
    streams.admit(user_id)
    async with aclosing(streams.events(user_id, after)) as written:
        return await stream(request, written, recheck_events=RECHECK_EVENTS, recheck_seconds=RECHECK_SECONDS)


@_of_reading(answers=Answer("Whether they are.", EventReading, examples.READING))
async def get(request: web.Request) -> web.Response:
    """Shows whether your status events are kept for reading."""
    return await _shown(request)


@_of_reading(
    scope=Scope.MANAGE,
    body=Body(_decoder, {"keep them": {"enabled": True}}, max_bytes=SMALL_BODY),
    answers=Answer("Whether they are.", EventReading, examples.READING),
)
async def put(request: web.Request) -> web.Response:
    """Says whether your status events are kept for reading.

    Those that an endpoint or a callback URL wants can be read in any case. Nothing is kept of what was before.
    """
    wanted = await read(request, _decoder)
    async with together(request):
        await request.app[STORE].status_events.read(principal(request).user_id, on=wanted.enabled)
        await audit(request, Action.EVENTS_READING, detail={"enabled": wanted.enabled})
    return await _shown(request)


def parse_number(text: str) -> int:
    """The number of an event. Raises ValueError."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be the sequence of an event, a whole number")
    return int(text)


def _position(request: web.Request) -> int | None:
    """After which event a stream begins. Raises InvalidError."""
    after: int | None = values_of(request.query, {"after": parse_number}).get("after")
    text = request.headers.get(LAST_EVENT_ID, "")
    if not text:
        return after
    try:
        return parse_number(text)
    except ValueError as error:
        raise InvalidError([Fault(field=LAST_EVENT_ID, detail=str(error))]) from None


async def _shown(request: web.Request) -> web.Response:
    user_id: UUID | None = principal(request).user_id
    store = request.app[STORE].status_events
    return answer(EventReading(enabled=await store.reads(user_id), last=await store.last(user_id)))
