"""Many messages at once: cancelled, or retried, by filter.

A request changes up to ten thousand and says whether there are more, or, with `wait` false, begins a change of all and
says where to look how far it is. One that is cut off has changed what its steps so far have, and can be repeated. One
filter at least is needed, or `all`: an empty body by mistake must not cancel everything that waits.
"""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from api.audit.record import entry_of
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.principal import Reach
from api.http.problems import Fault, InvalidError
from api.http.resources import STORE
from api.messages.changes import CHANGES, Change, started
from api.messages.listing import parse_created, parse_text
from api.messages.schemas import Changed, RetrySelection, Selection
from api.openapi import examples, failures, request_examples, tags
from api.openapi.operation import Access, Answer, Body, operation
from api.quotas.door import retries_at_once, take_retries
from sql.changes import Progress
from sql.lists import MessageFilter
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.states import Status

_PARSERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "channel": parse_text,
    "queue": parse_text,
    "recipient": parse_text,
    "created_from": parse_created,
    "created_until": parse_created,
}

_cancel_decoder: Final = msgspec.json.Decoder(Selection)
_retry_decoder: Final = msgspec.json.Decoder(RetrySelection)
_STARTED: Final = Answer(
    "With `wait` false: it has begun.",
    Progress,
    examples.CHANGE,
    headers={hdrs.LOCATION: "Where it shows how far it is."},
)


@operation(
    tags.MESSAGES,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    body=Body(_cancel_decoder, request_examples.CANCEL, max_bytes=SMALL_BODY),
    answers={
        HTTPStatus.OK: Answer("They are cancelled.", Changed, examples.CHANGED),
        HTTPStatus.ACCEPTED: _STARTED,
    },
)
async def cancel(request: web.Request) -> web.Response:
    """Cancels waiting messages that pass a filter.

    Those that are on their way cannot be called back, and are not counted. Where it takes more than a moment, the queue
    (of a user: their own messages in it) is held until it is through. Users cancel their own, admins all.
    """
    wanted = await read(request, _cancel_decoder)
    chosen = to_filter(wanted, principal(request).reach, statuses=frozenset({Status.PENDING, Status.FAILED}))
    entry = entry_of(request, Action.MESSAGES_CANCEL, detail=_said(wanted))
    return await _change(
        request, wanted, Change("cancel", chosen, request.app[STORE].changes.cancelling(chosen), entry)
    )


@operation(
    tags.MESSAGES,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    body=Body(_retry_decoder, request_examples.RETRY, max_bytes=SMALL_BODY),
    answers={
        HTTPStatus.OK: Answer("They are due now.", Changed, examples.CHANGED),
        HTTPStatus.ACCEPTED: _STARTED,
    },
    errors=failures.QUOTA,
)
async def retry(request: web.Request) -> web.Response:
    """Retries messages that pass a filter.

    Cancelled ones start again; failed and held ones are due now. Users retry their own, admins all. Each counts
    against the quota as a new one does; where it is used up there is more.
    """
    wanted = await read(request, _retry_decoder)
    chosen = to_filter(wanted, principal(request).reach, statuses=frozenset({Status.CANCELLED, Status.FAILED}))
    steps = request.app[STORE].changes.retrying(chosen, wanted.cancel_reason)
    entry = entry_of(request, Action.MESSAGES_RETRY, detail=_said(wanted))
    change = Change("retry", chosen, steps, entry)
    if (at_once := await retries_at_once(request)) is not None:
        change.limit(partial(take_retries, request), at_once)
    return await _change(request, wanted, change)


async def _change(request: web.Request, wanted: Selection, change: Change) -> web.Response:
    if wanted.wait:
        return answer(await request.app[CHANGES].run(change, limit=wanted.limit))
    return await started(request, await request.app[CHANGES].start(change))


def _said(wanted: Selection) -> dict[str, Any]:
    """What was asked for, without what was left open."""
    return {name: value for name, value in msgspec.to_builtins(wanted).items() if value is not None}


def to_filter(selection: Selection, reach: Reach, *, statuses: frozenset[Status]) -> MessageFilter:
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
    return MessageFilter(**reach.filter, status=selection.status, held=selection.held, **values)


def _has_filters(selection: Selection) -> bool:
    fields = (name for name in selection.__struct_fields__ if name not in {"all", "limit", "wait"})
    return any(getattr(selection, name) is not None for name in fields)
