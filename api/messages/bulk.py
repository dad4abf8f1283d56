"""Many messages at once: cancelled, or retried, by filter.

Each statement changes up to a thousand, so that no row is locked for long; a request that is cut off has changed what
its statements so far have, and can be repeated. One filter at least is needed, or `all`: an empty body by mistake
must not cancel everything that waits.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from api.audit.record import entry_of, keep, together
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.principal import Reach
from api.http.problems import Fault, InvalidError
from api.http.resources import STORE
from api.messages.listing import parse_created, parse_text
from api.messages.schemas import Changed, RetrySelection, Selection
from api.openapi import examples, failures, request_examples, tags
from api.openapi.operation import Access, Answer, Body, operation
from api.quotas.door import retries_at_once, retrying, take_retries
from api.quotas.errors import OverQuotaError
from api.quotas.quotas import Taken
from sql.messages import MessageFilter
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action, AuditEntry
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

Take = Callable[[web.Request, int], Awaitable[Taken | None]]

_cancel_decoder: Final = msgspec.json.Decoder(Selection)
_retry_decoder: Final = msgspec.json.Decoder(RetrySelection)


@operation(
    tags.MESSAGES,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    body=Body(_cancel_decoder, request_examples.CANCEL, max_bytes=SMALL_BODY),
    answers=Answer("They are cancelled.", Changed, examples.CHANGED),
)
async def cancel(request: web.Request) -> web.Response:
    """Cancels waiting messages that pass a filter.

    Those that are on their way cannot be called back, and are not counted. Users cancel their own, admins all.
    """
    wanted = await read(request, _cancel_decoder)
    chosen = to_filter(wanted, principal(request).reach, statuses=frozenset({Status.PENDING, Status.FAILED}))
    messages = request.app[STORE].messages
    entry = entry_of(request, Action.MESSAGES_CANCEL, detail=_said(wanted))
    return answer(
        await _in_parts(request, entry, wanted.limit, lambda limit: messages.cancel_many(chosen, limit=limit))
    )


@operation(
    tags.MESSAGES,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    body=Body(_retry_decoder, request_examples.RETRY, max_bytes=SMALL_BODY),
    answers=Answer("They are due now.", Changed, examples.CHANGED),
    errors=failures.QUOTA,
)
async def retry(request: web.Request) -> web.Response:
    """Retries messages that pass a filter.

    Cancelled ones start again; failed and held ones are due now. Users retry their own, admins all. Each counts
    against the quota as a new one does; where it is used up there is more.
    """
    wanted = await read(request, _retry_decoder)
    chosen = to_filter(wanted, principal(request).reach, statuses=frozenset({Status.CANCELLED, Status.FAILED}))
    messages, reason = request.app[STORE].messages, wanted.cancel_reason
    entry = entry_of(request, Action.MESSAGES_RETRY, detail=_said(wanted))

    async def retry_part(limit: int) -> int:
        return await messages.retry_many(chosen, cancel_reason=reason, limit=limit)

    size = min(await retries_at_once(request) or STATEMENT_SIZE, STATEMENT_SIZE)
    return answer(await _in_parts(request, entry, wanted.limit, retry_part, size=size, take=take_retries))


def _said(wanted: Selection) -> dict[str, Any]:
    """What was asked for, without what was left open."""
    return {name: value for name, value in msgspec.to_builtins(wanted).items() if value is not None}


async def _in_parts(
    request: web.Request,
    entry: AuditEntry,
    limit: int,
    change: Callable[[int], Awaitable[int]],
    *,
    size: int = STATEMENT_SIZE,
    take: Take | None = None,
) -> Changed:
    """Each part is one transaction with the count of what was changed so far in the audit log.

    `take` takes a part out of the quota before, and what was not changed is given back.
    """
    count = 0
    while count < limit:
        part = min(size, limit - count)
        try:
            taken = None if take is None else await take(request, part)
        except OverQuotaError:
            if not count:
                raise
            return Changed(count=count, more=True)
        with retrying(taken, part) as retried:
            async with together(request, unhurried=True):
                changed = await change(part)
                count += changed
                if changed:
                    await keep(request, msgspec.structs.replace(entry, detail={**entry.detail, "count": count}))
            retried.count = changed
        if changed < part:
            return Changed(count=count, more=False)
    return Changed(count=count, more=True)


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
    fields = (name for name in selection.__struct_fields__ if name not in {"all", "limit"})
    return any(getattr(selection, name) is not None for name in fields)
