"""Events: hand one in, look it up, send it again."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from api.events import examples
from api.events.posting import NO_WEBHOOKS, fan_out, key_of, new_event, require_webhooks
from api.events.schemas import (
    MESSAGES_SHOWN,
    EventAnswer,
    EventDetail,
    EventDocument,
    EventReplayed,
    EventReplayRequest,
    EventRequest,
)
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.problems import Fault, InvalidError, RequestError
from api.http.resources import STORE
from api.messages import idempotency
from api.openapi import failures, tags
from api.openapi.operation import Access, Answer, Body, Operations, operation
from api.quotas.door import keep_event, retries_at_once, retrying, take_retries
from sql.messages import IdempotencyKey
from tidings.domain.api_key import Scope
from tidings.domain.endpoint import MAX_ENDPOINTS, Event, NewEvent
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.ids import parse_id
from tidings.domain.timestamps import utc_now

NO_EVENT: Final = "there is no such event"
_decoder: Final = msgspec.json.Decoder(EventRequest)
_replay_decoder: Final = msgspec.json.Decoder(EventReplayRequest)

_of_event: Final = Operations(
    tag=tags.EVENTS,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=(examples.EVENT_PARAMETER,),
    errors={HTTPStatus.NOT_FOUND: NO_EVENT},
)
_CREATED: Final = {
    hdrs.LOCATION: "The path of the event.",
    idempotency.REPLAYED_HEADER: "`true` where an earlier request with the same id made it.",
}


@operation(
    tags.EVENTS,
    access=Access.MEMBERS,
    scope=Scope.SEND,
    body=Body(_decoder, examples.REQUESTS, type=EventDocument),
    answers={HTTPStatus.CREATED: Answer("It is kept.", EventAnswer, examples.EVENT, headers=_CREATED)},
    errors={
        HTTPStatus.FORBIDDEN: NO_WEBHOOKS,
        HTTPStatus.UNPROCESSABLE_ENTITY: "type is missing",
        HTTPStatus.SERVICE_UNAVAILABLE: failures.NO_SECRET_KEYS,
        **failures.QUOTA,
    },
)
async def create(request: web.Request) -> web.Response:
    """Sends an event to every endpoint that wants it.

    Answered when the event and a message for each of these endpoints are committed.
    """
    require_webhooks(request)
    wanted = await read(request, _decoder)
    key = key_of(wanted)
    event, due_at = new_event(request, wanted)
    posted = await keep_event(request, event, await fan_out(request, due_at), key)
    if posted.kept:
        return _created(event, posted.messages)
    replay = None if key is None else await _replay(request, key)
    if replay is None:
        raise StoreUnavailableError(idempotency.FORGOTTEN)
    return replay


@_of_event(answers=Answer("The event.", EventDetail, examples.EVENT_DETAIL))
async def get(request: web.Request) -> web.Response:
    """Shows an event, and what became of it at its endpoints."""
    event, store = await _find(request), request.app[STORE].events
    statuses = await store.statuses(event.id)
    return answer(
        EventDetail(
            **_shown(event),
            messages=sum(statuses.values()),
            payload=msgspec.Raw(event.payload.encode()),
            statuses=statuses,
            deliveries=await store.messages(event.id, limit=MESSAGES_SHOWN),
        )
    )


@_of_event(
    scope=Scope.MANAGE,
    body=Body(_replay_decoder, examples.REPLAYS, max_bytes=SMALL_BODY),
    answers=Answer("What is sent again.", EventReplayed, examples.EVENT_REPLAYED),
    errors={HTTPStatus.FORBIDDEN: NO_WEBHOOKS, **failures.QUOTA},
)
async def replay(request: web.Request) -> web.Response:
    """Sends an event again, with the same `webhook-id`.

    To all endpoints that want it now, or to one of them; not where a message of it still waits. Those that it was sent
    to get it once more.
    """
    require_webhooks(request)
    event, wanted = await _find(request), await read(request, _replay_decoder)
    # What it makes is not known before; who has a quota needs as much of it as that may be.
    most = 1 if wanted.endpoint_id is not None else MAX_ENDPOINTS
    count = 0 if await retries_at_once(request) is None else min(most, await _wanting(request, event))
    with retrying(await take_retries(request, count) if count else None, count) as counted:
        counted.count = await request.app[STORE].events.replay(
            event, await fan_out(request, utc_now()), endpoint_id=wanted.endpoint_id
        )
    return answer(EventReplayed(messages=counted.count))


async def _wanting(request: web.Request, event: Event) -> int:
    return await request.app[STORE].events.count_wanting(event)


async def _replay(request: web.Request, key: IdempotencyKey) -> web.Response | None:
    """What the first request with this id made. Raises InvalidError where that was another one."""
    store = request.app[STORE]
    known = (await idempotency.known_keys(store.messages, [key], principal(request).user_id)).get(key.key)
    if known is not None and known.fingerprint != key.fingerprint:
        raise InvalidError([Fault(field="id", detail="was used for another event")])
    event = None if known is None else await store.events.get(known.message_id)
    if event is None:
        return None
    return _created(event, sum((await store.events.statuses(event.id)).values()), replayed=True)


def _created(event: NewEvent, messages: int, *, replayed: bool = False) -> web.Response:
    headers: dict[str, str] = {hdrs.LOCATION: f"/api/v1/events/{event.id}"}
    if replayed:
        headers[idempotency.REPLAYED_HEADER] = "true"
    shown = EventAnswer(**_shown(event), messages=messages)
    return answer(shown, status=HTTPStatus.CREATED, headers=headers)


def _shown(event: NewEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "customer": event.customer,
        "channels": event.labels,
        "created_at": event.created_at,
    }


async def _find(request: web.Request) -> Event:
    """The event that the path names. Raises RequestError where there is none to show."""
    require_webhooks(request)
    event_id = parse_id(request.match_info["event_id"])
    event = None if event_id is None else await request.app[STORE].events.get(event_id)
    if event is None or not principal(request).may_see(event.user_id):
        raise RequestError(HTTPStatus.NOT_FOUND, NO_EVENT)
    return event
