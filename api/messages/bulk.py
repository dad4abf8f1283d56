"""Many messages at once: cancelled, or retried, by filter.

Each statement changes up to a thousand, so that no row is locked for long; a request that is cut off has changed what
its statements so far have, and can be repeated. One filter at least is needed, or `all`: an empty body by mistake
must not cancel everything that waits.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.http.auth import principal
from api.http.body import answer, read
from api.http.problems import Fault, InvalidError
from api.http.resources import STORE
from api.messages.listing import parse_created, parse_text
from api.messages.schemas import Changed, RetrySelection, Selection
from api.openapi import examples, request_examples, tags
from api.openapi.operation import Access, Answer, Body, operation
from sql.lists import MessageFilter
from tidings.domain.states import Status

STATEMENT_SIZE: Final = 1000
"""Messages in one statement."""
_PARSERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "channel": parse_text,
    "queue": parse_text,
    "recipient": parse_text,
    "created_from": parse_created,
    "created_until": parse_created,
}

_cancel_decoder: Final = msgspec.json.Decoder(Selection)
_retry_decoder: Final = msgspec.json.Decoder(RetrySelection)


@operation(
    tags.MESSAGES,
    access=Access.MEMBERS,
    body=Body(_cancel_decoder, request_examples.CANCEL),
    answers=Answer("They are cancelled.", Changed, examples.CHANGED),
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
    access=Access.MEMBERS,
    body=Body(_retry_decoder, request_examples.RETRY),
    answers=Answer("They are due now.", Changed, examples.CHANGED),
)
async def retry(request: web.Request) -> web.Response:
    """Retries messages that pass a filter.

    Cancelled ones start again; failed and held ones are due now. Users retry their own, admins all.
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
        part = min(STATEMENT_SIZE, limit - count)
        changed = await change(part)
        count += changed
        if changed < part:
            return Changed(count=count, more=False)
    return Changed(count=count, more=True)


def to_filter(selection: Selection, user_id: UUID | None, *, statuses: frozenset[Status]) -> MessageFilter:
    """The filter for the store. Raises InvalidError, naming every wrong field."""
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for name, parse in _PARSERS.items():
        given = getattr(selection, name)
        try:
            values[name] = None if given is None else parse(given)
        except ValueError as error:
            faults.append(Fault(field=name, detail=str(error)))
    if selection.status is not None and selection.status not in statuses:
        faults.append(Fault(field="status", detail=f"must be one of {', '.join(sorted(statuses))}"))
    if _has_filters(selection) == selection.all and not faults:
        detail = "stands for having no filter" if selection.all else "must be true where no filter is given"
        faults.append(Fault(field="all", detail=detail))
    if faults:
        raise InvalidError(faults)
    return MessageFilter(user_id=user_id, status=selection.status, held=selection.held, **values)


def _has_filters(selection: Selection) -> bool:
    fields = (name for name in selection.__struct_fields__ if name not in {"all", "limit"})
    return any(getattr(selection, name) is not None for name in fields)
