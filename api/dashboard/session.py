"""Logging in and out of the dashboard, with the same accounts and limits as everywhere.

State: one cookie (`api.dashboard.cookie`) with the token that `POST /api/v1/tokens` would have answered. Logging out
takes the cookie away and ends its session, so a copy of the token is void too.
"""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs, web

from api.accounts.routes import NOT_KEPT
from api.accounts.schemas import LoginRequest
from api.audit.record import audit
from api.dashboard import cookie
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.peer import client_address
from api.http.principal import Principal
from api.http.resources import ACCOUNTS
from api.openapi.operation import Access, page
from tidings.domain.account import Role
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.timestamps import utc_now

_decoder: Final = msgspec.json.Decoder(LoginRequest)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Who uses the dashboard."""

    email: str | None
    """Null: the operator on this machine, who needs no account yet."""
    role: Role


@page(access=Access.MEMBERS, scope=Scope.READ)
async def get(request: web.Request) -> web.Response:
    """The logged-in user; 401 where there is none."""
    who = principal(request)
    email = None if who.user_id is None else (await request.app[ACCOUNTS].users.get(who.user_id)).email
    return answer(Session(email=email, role=who.role), headers=NOT_KEPT)


@page(access=Access.EVERYBODY)
async def log_in(request: web.Request) -> web.Response:
    """Takes an e-mail address and a password, and gives the browser a cookie."""
    cookie.require_own_page(request)
    await request.app[ACCOUNTS].logins.admit(str(client_address(request)), device=cookie.device_of(request))
    wanted = await read(request, _decoder, max_bytes=SMALL_BODY)
    login = await request.app[ACCOUNTS].logins.log_in(
        email=wanted.email,
        password=wanted.password,
        address=str(client_address(request)),
        client=request.headers.get(hdrs.USER_AGENT),
        device=cookie.device_of(request),
    )
    session = Session(email=login.user.email, role=login.user.role)
    response = answer(session, status=HTTPStatus.CREATED, headers=NOT_KEPT)
    cookie.put(response, login.token, life=login.expires_at - utc_now(), request=request)
    cookie.put_device(response, login.device, request=request)
    return response


@page(access=Access.EVERYBODY)
async def log_out(request: web.Request) -> web.Response:
    """Ends the session and takes the cookie back, whether it was good or not."""
    cookie.require_own_page(request)
    if (token := cookie.token_of(request)) and (ended := await request.app[ACCOUNTS].sessions.end_of(token)):
        who = Principal(user_id=ended.user_id, role=Role.USER, channels=None, session_id=ended.id)
        await audit(request, Action.SESSION_END, ended.id, who=who)
    response = web.Response(status=HTTPStatus.NO_CONTENT, headers={hdrs.CACHE_CONTROL: "no-store"})
    cookie.remove(response, request=request)
    return response
