"""Where messages and other changes come in: what is within its user's quota is let in, and the rest refused."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from api.http.auth import principal
from api.http.resources import INTAKE, QUOTAS, STORE
from api.openapi.failures import is_change
from api.openapi.operation import operation_of
from api.quotas.quotas import Taken, size_of
from sql.events import FanOut, Posted
from sql.messages import IdempotencyKey
from tidings.domain.endpoint import NewEvent
from tidings.domain.message import NewMessage

_TAKEN: Final = web.RequestKey("taken", Taken)
_FIELDS: Final = web.RequestKey("fields", dict[str, str])


async def keep(request: web.Request, message: NewMessage, key: IdempotencyKey | None = None) -> bool:
    """`Intake.keep`, for what is within the quota. Raises OverQuotaError, TooLargeForQuotaError, and as that does."""
    taken = await _take(request, _sizes(request, [message]))
    kept = True  # who is cut off may have been accepted all the same
    try:
        kept = await request.app[INTAKE].keep(message, key)
    except Exception:
        kept = False
        raise
    finally:
        if taken is not None:
            taken.settle([kept])
    return kept


async def keep_batch(
    request: web.Request, messages: Sequence[NewMessage], keys: Sequence[IdempotencyKey | None] | None
) -> set[UUID]:
    """`MessageStore.insert`, where all of them are within the quota. Raises as `keep` does."""
    taken = await _take(request, _sizes(request, messages))
    kept = {message.id for message in messages}
    try:
        kept = await request.app[STORE].messages.insert(messages, keys)
    except Exception:
        kept = set()
        raise
    finally:
        if taken is not None:
            taken.settle([message.id in kept for message in messages])
    return kept


async def keep_event(
    request: web.Request, event: NewEvent, fan_out: FanOut, key: IdempotencyKey | None = None
) -> Posted:
    """`EventStore.post`, where as many messages as it makes are within the quota. Raises as `keep` does.

    Who has no quota need not know how many that is before; for others the endpoints are counted first.
    """
    events, taken, count = request.app[STORE].events, None, 0
    if await retries_at_once(request) is not None:
        count = await events.count_wanting(event)
        taken = await _take(request, [len(event.payload.encode())] * count) if count else None
    posted = Posted(kept=True, messages=count)
    try:
        posted = await events.post(event, fan_out, key)
    except Exception:
        posted = Posted(kept=False, messages=0)
        raise
    finally:
        if taken is not None:
            taken.settle([number < posted.messages for number in range(count)])
    return posted


async def take_retries(request: web.Request, count: int) -> Taken | None:
    """Takes messages that are to wait once more, of unknown size. Raises OverQuotaError."""
    return await _take(request, [0] * count)


class Retried(msgspec.Struct):
    """How many of those that were taken wait once more."""

    count: int = 0


@contextmanager
def retrying(taken: Taken | None, count: int) -> Iterator[Retried]:
    """Gives back, after the block, those of `count` that were not retried."""
    retried = Retried()
    try:
        yield retried
    finally:
        if taken is not None:
            taken.settle([number < retried.count for number in range(count)])


async def retries_at_once(request: web.Request) -> int | None:
    """How many to take at once where the count is not known yet; None for who has no quota."""
    return await request.app[QUOTAS].part(principal(request))


@web.middleware
async def changes_counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts what users change, whatever it is but messages, which are counted one by one. Raises OverQuotaError."""
    matched = request.match_info
    operation = operation_of(matched.handler) if matched.http_exception is None else None
    if operation is not None and is_change(operation, request.method):
        request[_FIELDS] = await request.app[QUOTAS].take_change(principal(request))
    return await handler(request)


async def put_fields(request: web.Request, response: web.StreamResponse) -> None:
    """Says on the way out what is left of the quota."""
    response.headers.update(request.get(_FIELDS, {}))
    if (taken := request.get(_TAKEN)) is not None:
        response.headers.update(taken.quotas.fields(taken.account, taken.quota))


async def _take(request: web.Request, sizes: Sequence[int]) -> Taken | None:
    taken = await request.app[QUOTAS].take(principal(request), sizes)
    if taken is not None:
        request[_TAKEN] = taken
    return taken


def _sizes(request: web.Request, messages: Sequence[NewMessage]) -> Sequence[int]:
    # The operator has no quota, and need not pay for being measured.
    return [0 if principal(request).user_id is None else size_of(message) for message in messages]
