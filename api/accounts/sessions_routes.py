"""The own sessions: seen, and ended one by one or all at once."""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from api.accounts import me_routes as me
from api.accounts.errors import NoSuchSessionError
from api.accounts.schemas import EndedSessions, SessionAnswer, SessionList
from api.audit.record import audit
from api.http.auth import principal
from api.http.body import answer
from api.http.resources import ACCOUNTS
from api.messages.listing import cut, parse_position
from api.openapi import examples, parameters, tags
from api.openapi.operation import Access, Answer, Operations, operation
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.ids import parse_id

_all: Final = Operations(
    tag=tags.SESSIONS,
    access=Access.MEMBERS,
    scope=Scope.ADMIN,
    whole=True,
    errors={HTTPStatus.NOT_FOUND: me.NO_ACCOUNT},
)


@operation(
    tags.SESSIONS,
    access=Access.MEMBERS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=parameters.PAGE,
    answers=Answer("A page.", SessionList, examples.SESSIONS),
    errors={HTTPStatus.NOT_FOUND: me.NO_ACCOUNT},
)
async def list_own(request: web.Request) -> web.Response:
    """Lists one's own sessions, the newest first."""
    before, limit = parse_position(request.query)
    found = await request.app[ACCOUNTS].sessions.page(me.own_id(request), before=before, limit=limit + 1)
    page, next_cursor = cut(found, limit, lambda session: session.id)
    current = principal(request).session_id
    return answer(
        SessionList(sessions=[SessionAnswer.of(session, current) for session in page], next_cursor=next_cursor)
    )


@_all(answers=Answer("They have ended.", EndedSessions, examples.ENDED_SESSIONS))
async def end_all(request: web.Request) -> web.Response:
    """Logs out everywhere: ends all of one's own sessions, that of this request too.

    Every token of a login is void, here at once and elsewhere within seconds. API keys stay.
    """
    count = await request.app[ACCOUNTS].sessions.end_all(me.own_id(request))
    await audit(request, Action.SESSIONS_END, detail={"count": count})
    return answer(EndedSessions(count=count))


@operation(
    tags.SESSIONS,
    access=Access.MEMBERS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=(parameters.SESSION_ID,),
    answers=Answer("It has ended.", SessionAnswer, examples.SESSION),
    errors={HTTPStatus.NOT_FOUND: NoSuchSessionError.detail},
)
async def end_own(request: web.Request) -> web.Response:
    """Ends one of one's own sessions: its token is void."""
    session_id = parse_id(request.match_info["session_id"])
    if session_id is None:
        raise NoSuchSessionError
    ended = await request.app[ACCOUNTS].sessions.end(me.own_id(request), session_id)
    await audit(request, Action.SESSION_END, ended.id)
    return answer(SessionAnswer.of(ended, principal(request).session_id))
