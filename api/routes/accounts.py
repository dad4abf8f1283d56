"""Accounts: make oneself one, and log in to it. Open to everybody."""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from api.accounts.schemas import LoginAnswer, LoginRequest, Registration, UserAnswer
from api.body import answer, read
from api.resources import ACCOUNTS, SETTINGS

NOT_KEPT: Final[dict[str, str]] = {hdrs.CACHE_CONTROL: "no-store"}
"""For answers that hold a secret."""

_registration_decoder: Final = msgspec.json.Decoder(Registration)
_login_decoder: Final = msgspec.json.Decoder(LoginRequest)


async def register(request: web.Request) -> web.Response:
    """An account for whoever wants one, where `REGISTRATION` is open."""
    wanted = await read(request, _registration_decoder)
    user = await request.app[ACCOUNTS].users.register(wanted, address=request.remote)
    return answer(
        UserAnswer.of(user, request.app[SETTINGS].user_channels),
        status=HTTPStatus.CREATED,
        headers={hdrs.LOCATION: "/api/v1/me"},
    )


async def log_in(request: web.Request) -> web.Response:
    """A bearer token for an e-mail address and its password."""
    wanted = await read(request, _login_decoder)
    login = await request.app[ACCOUNTS].logins.log_in(
        email=wanted.email, password=wanted.password, address=request.remote
    )
    return answer(
        LoginAnswer(token=login.token, expires_at=login.expires_at, user_id=login.user.id),
        status=HTTPStatus.CREATED,
        headers=NOT_KEPT,
    )


PUBLIC: Final[frozenset[Handler]] = frozenset({register, log_in})
"""What needs no credential."""
