"""Holds: seen and released by those whose messages wait, and by admins."""

import time
from http import HTTPStatus
from typing import Final

from aiohttp import web

from api.audit.record import audit, together
from api.holds.schemas import HoldList, Released
from api.http.auth import LIMITED_KEY, principal
from api.http.body import answer
from api.http.problems import RequestError
from api.http.resources import STORE
from api.openapi import examples, parameters, tags
from api.openapi.operation import Access, Answer, operation
from sql.holds import WOKEN_AT_ONCE
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.ids import parse_id

SHOWN: Final = 1000
_NO_HOLD: Final = "there is no such hold"
_WAKING_SECONDS: Final = 5.0
"""How long a request wakes messages; those that are left come again by themselves."""


@operation(
    tags.HOLDS, access=Access.MEMBERS, scope=Scope.READ, answers=Answer("What is held.", HoldList, examples.HOLDS)
)
async def list_all(request: web.Request) -> web.Response:
    """Lists what is held until somebody releases it.

    Endpoints to which nothing goes, up to a thousand: a webhook whose receiver says 410, for its user; an SMS gateway
    that returns an HTML page, for everybody. Users see their own, admins all.
    """
    reach = principal(request).reach
    holds = await request.app[STORE].holds.list(reach.user_id, channels=reach.channels, limit=SHOWN)
    return answer(HoldList(holds=holds))


@operation(
    tags.HOLDS,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    parameters=(parameters.HOLD_ID,),
    answers=Answer("It is released.", Released, examples.RELEASED),
    errors={HTTPStatus.FORBIDDEN: LIMITED_KEY, HTTPStatus.NOT_FOUND: _NO_HOLD},
)
async def release(request: web.Request) -> web.Response:
    """Releases an endpoint: its messages go again.

    Consumers know of it within seconds. Users release their own, admins all.
    """
    hold_id, holds = parse_id(request.match_info["hold_id"]), request.app[STORE].holds
    reach = principal(request).reach
    if reach.queues is not None:  # a hold is of all queues
        raise RequestError(HTTPStatus.FORBIDDEN, LIMITED_KEY)
    async with together(request):
        hold = None if hold_id is None else await holds.release(hold_id, reach.user_id, channels=reach.channels)
        if hold is None:
            raise RequestError(HTTPStatus.NOT_FOUND, _NO_HOLD)
        detail = {"channel": hold.channel, "reason": hold.reason}
        await audit(request, Action.HOLD_RELEASE, hold.id, owner=hold.user_id, detail=detail)
    until = time.monotonic() + _WAKING_SECONDS
    messages = woken = await holds.wake(hold)
    while woken == WOKEN_AT_ONCE and time.monotonic() < until:
        woken = await holds.wake(hold)
        messages += woken
    return answer(Released(hold=hold, messages=messages))
