"""Many messages at once: cancelled, or retried, by filter.

Each statement changes up to a thousand, so that no row is locked for long; a request that is cut off has changed what
its statements so far have, and can be repeated.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from api.http.auth import principal
from api.http.body import answer, read
from api.http.resources import STORE
from api.messages.selection import Changed, RetrySelection, Selection, to_filter
from api.openapi import selection_examples, tags
from api.openapi.operation import Answer, Body, operation
from tidings.domain.states import Status

AT_ONCE: Final = 1000
"""Messages in one statement."""

_cancel_decoder: Final = msgspec.json.Decoder(Selection)
_retry_decoder: Final = msgspec.json.Decoder(RetrySelection)


@operation(
    tags.MESSAGES,
    body=Body(_cancel_decoder, selection_examples.CANCEL),
    answers={HTTPStatus.OK: Answer("They are cancelled.", Changed, selection_examples.CHANGED)},
)
async def cancel(request: web.Request) -> web.Response:
    """Cancels waiting messages that pass a filter.

    Those that are on their way cannot be called back, and are not counted. Users cancel their own, admins all.
    """
    wanted = await read(request, _cancel_decoder)
    chosen = to_filter(wanted, principal(request).scope, statuses=frozenset({Status.PENDING, Status.FAILED}))
    messages = request.app[STORE].messages
    return answer(await _in_parts(wanted.limit, lambda limit: messages.cancel_many(chosen, limit=limit)))


@operation(
    tags.MESSAGES,
    body=Body(_retry_decoder, selection_examples.RETRY),
    answers={HTTPStatus.OK: Answer("They are due now.", Changed, selection_examples.CHANGED)},
)
async def retry(request: web.Request) -> web.Response:
    """Retries messages that pass a filter.

    Cancelled ones start anew, failed ones that wait for their next try are due now. Users retry their own, admins all.
    """
    wanted = await read(request, _retry_decoder)
    chosen = to_filter(wanted, principal(request).scope, statuses=frozenset({Status.CANCELLED, Status.FAILED}))
    messages, reason = request.app[STORE].messages, wanted.cancel_reason
    return answer(
        await _in_parts(wanted.limit, lambda limit: messages.retry_many(chosen, cancel_reason=reason, limit=limit))
    )


async def _in_parts(limit: int, change: Callable[[int], Awaitable[int]]) -> Changed:
    count = 0
    while count < limit:
        part = min(AT_ONCE, limit - count)
        changed = await change(part)
        count += changed
        if changed < part:
            return Changed(count=count, more=False)
    return Changed(count=count, more=True)
