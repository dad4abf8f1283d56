"""Sending an endpoint what it has not got, or has: a test event, what it missed, a span of time again."""

import time
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from api.audit.record import audit
from api.endpoints import examples
from api.endpoints.routes import find, of_endpoint
from api.endpoints.schemas import (
    EventTrialAnswer,
    EventTrialDocument,
    EventTrialRequest,
    Replayed,
    ReplayRequest,
    SpanRequest,
)
from api.events.posting import fan_out, payload_of
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.problems import Fault, InvalidError, RequestError
from api.http.resources import STORE
from api.messages.listing import CursorError, decode_cursor, encode_cursor, parse_created
from api.openapi import failures
from api.openapi.operation import Answer, Body
from api.quotas.door import retries_at_once, retrying, take_retries
from sql.events import Which
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.endpoint import ALL_CUSTOMERS, OPERATORS, Endpoint, Event
from tidings.domain.ids import new_id, time_of
from tidings.domain.timestamps import TimestampError, utc_now

DISABLED: Final = "it is disabled; enable it first"
EVENTS_AT_ONCE: Final = 500
"""Looked at in one statement."""
REQUEST_SECONDS: Final = 5.0
"""After which a request says where to go on."""
_TEST: Final = b'{"test":true,"text":"tidings reaches this endpoint"}'

_trial_decoder: Final = msgspec.json.Decoder(EventTrialRequest)
_span_decoder: Final = msgspec.json.Decoder(SpanRequest)
_replay_decoder: Final = msgspec.json.Decoder(ReplayRequest)
_REPLAYED: Final = Answer("What is sent.", Replayed, examples.REPLAYED)
_ERRORS: Final = {HTTPStatus.CONFLICT: DISABLED, **failures.QUOTA}


@of_endpoint(
    scope=Scope.SEND,
    body=Body(_trial_decoder, examples.TRIALS, type=EventTrialDocument),
    answers={HTTPStatus.CREATED: Answer("It is on its way.", EventTrialAnswer, examples.TRIAL)},
    errors={HTTPStatus.UNPROCESSABLE_ENTITY: "payloads is unknown", **_ERRORS},
)
async def try_out(request: web.Request) -> web.Response:
    """Sends a test event to one endpoint, whatever types it takes, and to no other."""
    endpoint, wanted = await find(request), await read(request, _trial_decoder)
    faults: dict[str, str] = {}
    payload = payload_of(request, msgspec.Raw(_TEST) if bytes(wanted.payload) == b"null" else wanted.payload, faults)
    if faults:
        raise InvalidError([Fault(field=field, detail=detail) for field, detail in faults.items()])
    event_id = new_id()
    event = Event(
        id=event_id,
        user_id=endpoint.user_id,
        type=wanted.type,
        customer=None if endpoint.customer == ALL_CUSTOMERS else endpoint.customer,
        payload=payload,
        created_at=time_of(event_id),
        endpoint_id=endpoint.id,
    )
    with retrying(await take_retries(request, 1), 1) as counted:
        message_id = await request.app[STORE].events.post_test(event, await fan_out(request, event.created_at))
        counted.count = int(message_id is not None)
    if message_id is None:
        raise RequestError(HTTPStatus.CONFLICT, DISABLED)
    return answer(EventTrialAnswer(event_id=event.id, message_id=message_id), status=HTTPStatus.CREATED)


@of_endpoint(body=Body(_span_decoder, examples.SPANS, max_bytes=SMALL_BODY), answers=_REPLAYED, errors=_ERRORS)
async def recover(request: web.Request) -> web.Response:
    """Sends an endpoint the events of a span of time that it has not got.

    Those that passed it by while it was disabled or did not exist, and those whose message was cancelled; none of which
    a message was sent or waits. So it may be repeated. After some seconds it answers where to go on.
    """
    endpoint, wanted = await find(request), await read(request, _span_decoder)
    return await _send_again(request, endpoint, wanted, Which.MISSING, Action.ENDPOINT_RECOVER)


@of_endpoint(body=Body(_replay_decoder, examples.REPLAYS, max_bytes=SMALL_BODY), answers=_REPLAYED, errors=_ERRORS)
async def replay(request: web.Request) -> web.Response:
    """Sends an endpoint the events of a span of time again, also those that were sent.

    Each with the `webhook-id` that it had; none of which a message still waits. After some seconds it answers where to
    go on.
    """
    endpoint, wanted = await find(request), await read(request, _replay_decoder)
    return await _send_again(request, endpoint, wanted, wanted.which, Action.ENDPOINT_REPLAY)


async def _send_again(
    request: web.Request, endpoint: Endpoint, wanted: SpanRequest, which: Which, action: Action
) -> web.Response:
    if endpoint.disabled_at is not None:
        raise RequestError(HTTPStatus.CONFLICT, DISABLED)
    now = utc_now()
    try:
        since = parse_created(wanted.since)
        until = now if wanted.until is None else min(parse_created(wanted.until), now)
    except TimestampError as error:
        raise InvalidError([Fault(field="since", detail=str(error))]) from None
    try:
        after = OPERATORS if wanted.cursor is None else decode_cursor(wanted.cursor)
    except CursorError as error:
        raise InvalidError([Fault(field="cursor", detail=str(error))]) from None
    limit = min(await retries_at_once(request) or EVENTS_AT_ONCE, EVENTS_AT_ONCE)
    wanted_out, store = await fan_out(request, now), request.app[STORE].events
    ends, messages, more = time.monotonic() + REQUEST_SECONDS, 0, True
    while more and time.monotonic() < ends:
        with retrying(await take_retries(request, limit), limit) as counted:
            step = await store.send_again(
                endpoint, wanted_out, which=which, since=since, until=until, after=after, limit=limit
            )
            counted.count = step.messages
        messages += step.messages
        more = step.looked == limit
        after = step.last or after
    detail = {"since": str(since), "until": str(until), "which": which, "messages": messages}
    await audit(request, action, endpoint.id, owner=endpoint.user_id, who=principal(request), detail=detail)
    return answer(Replayed(messages=messages, next_cursor=encode_cursor(after) if more else None))
