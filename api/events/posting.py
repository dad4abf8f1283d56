"""From a request to an event that is kept: checks, what its messages are to be, and quotas."""

from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from api.accounts.errors import NoSecretKeysError
from api.endpoints.endpoints import CHANNEL
from api.events.schemas import EventRequest
from api.http.auth import principal, require_reach
from api.http.problems import Fault, InvalidError, RequestError
from api.http.resources import KNOWN_QUEUES, RETRIES, SETTINGS
from api.messages.validation import HORIZON
from sql.events import FanOut
from sql.messages import IdempotencyKey
from tidings.channels.installed import recipients
from tidings.channels.recipient import ContentError
from tidings.domain.endpoint import ALL_CUSTOMERS, NewEvent
from tidings.domain.ids import new_id, time_of
from tidings.domain.message import DEFAULT_QUEUE
from tidings.domain.timestamps import TimestampError, parse_timestamp
from tidings.observability import tracing

NO_WEBHOOKS: Final = "channel webhook is not among yours"
_canonical: Final = msgspec.json.Encoder(order="deterministic")


def require_webhooks(request: web.Request) -> None:
    """Raises RequestError for who may not send webhooks, or not in the queue in which events go."""
    if not principal(request).may_use(CHANNEL):
        raise RequestError(HTTPStatus.FORBIDDEN, NO_WEBHOOKS)
    require_reach(request, channel=CHANNEL, queue=DEFAULT_QUEUE)


def new_event(request: web.Request, wanted: EventRequest) -> tuple[NewEvent, datetime]:
    """The event, and when it is due. Raises InvalidError, NoSecretKeysError."""
    settings, event_id = request.app[SETTINGS], new_id()
    created_at = time_of(event_id)
    faults: dict[str, str] = {}
    payload = payload_of(request, wanted.payload, faults)
    if wanted.customer is not None and not wanted.customer.isprintable():
        faults["customer"] = "must not contain control characters"
    if wanted.customer == ALL_CUSTOMERS:
        faults["customer"] = f"{ALL_CUSTOMERS!r} stands for all customers, and is none"
    due_at = created_at
    try:
        due_at = due_at if wanted.due_at is None else max(parse_timestamp(wanted.due_at), created_at)
    except TimestampError as error:
        faults["due_at"] = str(error)
    if due_at - created_at > HORIZON:
        faults["due_at"] = "is more than ten years away"
    if faults:
        raise InvalidError([Fault(field=field, detail=detail) for field, detail in faults.items()])
    if not settings.secret_keys:
        raise NoSecretKeysError
    event = NewEvent(
        id=event_id,
        user_id=principal(request).user_id,
        type=wanted.type,
        customer=wanted.customer,
        labels=None if wanted.channels is None else tuple(wanted.channels),
        payload=payload,
        created_at=created_at,
    )
    return event, due_at


def payload_of(request: web.Request, payload: msgspec.Raw, faults: dict[str, str]) -> str:
    """The JSON as it came, which is what is signed and sent."""
    try:
        text = bytes(payload).decode()
        recipients(CHANNEL).check_content(CHANNEL, text, "", request.app[SETTINGS])
    except UnicodeDecodeError:
        faults["payload"] = "is not UTF-8"
    except ContentError as error:
        faults["payload"] = str(error)
    else:
        return text
    return ""


def key_of(wanted: EventRequest) -> IdempotencyKey | None:
    """The name that the client gave the event. No header `Idempotency-Key` has a space, so it meets none of theirs."""
    if wanted.id is None:
        return None
    return IdempotencyKey(f" event {wanted.id}", sha256(_canonical.encode(wanted)).digest())


async def fan_out(request: web.Request, due_at: datetime) -> FanOut:
    """What messages of events have where their endpoints say nothing."""
    queues = await request.app[KNOWN_QUEUES].among((DEFAULT_QUEUE,))
    delays = queues[DEFAULT_QUEUE]
    return FanOut(
        queue=DEFAULT_QUEUE,
        due_at=due_at,
        max_tries=request.app[RETRIES].tries(delays, recipients(CHANNEL).retry_delays),
        retry_delays=delays,
        headers=tracing.stamped(None),
    )
