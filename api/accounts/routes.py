"""Accounts: make oneself one, and log in to it. Open to everybody."""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs, web

from api.accounts.errors import AccountDisabledError, WrongCredentialsError
from api.accounts.schemas import LoginAnswer, LoginRequest, MailAnswer, Registration, UserAnswer
from api.audit.record import audit
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.peer import client_address
from api.http.principal import Principal
from api.http.resources import ACCOUNTS, SETTINGS
from api.openapi import examples, failures, request_examples, tags
from api.openapi.operation import Access, Answer, Answers, Body, operation
from tidings.domain.account import User
from tidings.domain.audit import Action

NOT_KEPT: Final[dict[str, str]] = {hdrs.CACHE_CONTROL: "no-store"}
"""For answers that hold a secret."""


def made(path: str) -> Answers:
    """The answer to a new account; `path` says which one `Location` names."""
    return {HTTPStatus.CREATED: Answer("It is made.", UserAnswer, examples.USER, headers={hdrs.LOCATION: path})}


def shown(request: web.Request, user: User) -> UserAnswer:
    """A user as clients see it."""
    return UserAnswer.of(user, request.app[SETTINGS].user_channels)


REGISTERED: Final = MailAnswer(detail="a mail to this address says what to do next")
_registration_decoder: Final = msgspec.json.Decoder(Registration)
_login_decoder: Final = msgspec.json.Decoder(LoginRequest)


@operation(
    tags.ACCOUNTS,
    access=Access.EVERYBODY,
    body=Body(_registration_decoder, request_examples.REGISTRATIONS, max_bytes=SMALL_BODY),
    answers={
        **made("The path of the own account."),
        HTTPStatus.ACCEPTED: Answer("A mail to the address says the rest.", MailAnswer, REGISTERED),
    },
    errors={HTTPStatus.FORBIDDEN: "registration is closed; an admin makes accounts", **failures.NEW_ACCOUNT},
)
async def register(request: web.Request) -> web.Response:
    """Makes an account.

    Where `REGISTRATION` is closed, an admin makes accounts. Where the operator sends mail, the answer is the same
    whether there is such an account already or not, and a link in a mail proves the address.
    """
    await request.app[ACCOUNTS].users.admit(str(client_address(request)))
    wanted = await read(request, _registration_decoder)
    registered = await request.app[ACCOUNTS].users.register(wanted, address=str(client_address(request)))
    user = registered.user
    if user is not None:
        who = Principal(user_id=user.id, role=user.role, channels=None)
        await audit(request, Action.USER_CREATE, user.id, who=who)
    if user is None or registered.mailed:
        return answer(REGISTERED, status=HTTPStatus.ACCEPTED)
    return answer(shown(request, user), status=HTTPStatus.CREATED, headers={hdrs.LOCATION: "/api/v1/me"})


@operation(
    tags.ACCOUNTS,
    access=Access.EVERYBODY,
    body=Body(_login_decoder, request_examples.LOGINS, max_bytes=SMALL_BODY),
    answers={HTTPStatus.CREATED: Answer("A token.", LoginAnswer, examples.LOGIN)},
    errors={
        HTTPStatus.UNAUTHORIZED: WrongCredentialsError.detail,
        HTTPStatus.FORBIDDEN: AccountDisabledError.detail,
        **failures.PASSWORD_CHECK,
    },
)
async def log_in(request: web.Request) -> web.Response:
    """Logs in: a bearer token for an e-mail address and its password."""
    await request.app[ACCOUNTS].logins.admit(str(client_address(request)))
    wanted = await read(request, _login_decoder)
    login = await request.app[ACCOUNTS].logins.log_in(
        email=wanted.email,
        password=wanted.password,
        address=str(client_address(request)),
        client=request.headers.get(hdrs.USER_AGENT),
    )
    return answer(
        LoginAnswer(token=login.token, expires_at=login.expires_at, user_id=login.user.id),
        status=HTTPStatus.CREATED,
        headers=NOT_KEPT,
    )
