"""Distributed Mail Queue Service: accounts with an SMTP server each, and mail that is sent in their name."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import hdrs, web

from api import API_VERSION
from api.accounts.errors import NoSuchUserError, RegistrationClosedError, WrongCredentialsError
from api.audit.record import audit
from api.compat import mail_queue_schemas as schemas
from api.compat.listing import NEXT_PAGE, cut, page_of
from api.compat.listing import PARAMETERS as PAGE_PARAMETERS
from api.compat.mail_queue_schemas import (
    Account,
    AccountData,
    Enqueued,
    EnqueuedData,
    EnqueueRequest,
    Login,
    LoginData,
    MailError,
    MailLogin,
    Pong,
    Registered,
    RegisterRequest,
    Server,
    Task,
    Tasks,
    TasksData,
)
from api.compat.native import accept, renamed
from api.compat.system import Problem, System
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.peer import client_address
from api.http.principal import Principal
from api.http.problems import Fault, InvalidError, RequestError
from api.http.resources import ACCOUNTS, SETTINGS, STORE
from api.messages.schemas import MessageRequest
from api.openapi import failures, parameters
from api.openapi.operation import Access, Answer, Body, Tag, operation
from sql.lists import MessageFilter
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.ids import parse_id
from tidings.domain.message import Message
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now

TAG: Final = Tag(
    "Distributed Mail Queue Service", "An older system: accounts with an SMTP server each, and mail in their name."
)
CHANNEL: Final = "email"
MAX_TRIES: Final = 3

ACCOUNT_NAMES: Final = {
    "smtp.host": "smtp_host",
    "smtp.port": "smtp_port",
    "smtp.username": "smtp-username",
    "smtp.password": "smtp-password",
}
TASK_NAMES: Final = {"recipient": "recipient_email", "content": "body", "due_at": "scheduled_at"}

_register_decoder: Final = msgspec.json.Decoder(RegisterRequest)
_login_decoder: Final = msgspec.json.Decoder(MailLogin)
_enqueue_decoder: Final = msgspec.json.Decoder(EnqueueRequest)

_TASKS: Final = Answer("A page.", TasksData, TasksData(data=Tasks(tasks=[schemas.TASK])), headers=NEXT_PAGE)


def _server(environment: str) -> Server:
    return Server(
        server=environment,
        version=API_VERSION,
        build_information="tidings",
        message="liveness is OK!, server is ready to accept connections",
    )


@operation(
    TAG,
    access=Access.EVERYBODY,
    body=Body(_register_decoder, {"an account": schemas.REGISTRATION}, max_bytes=SMALL_BODY),
    answers={HTTPStatus.CREATED: Answer("It is made.", Registered, Registered())},
    errors={
        HTTPStatus.FORBIDDEN: RegistrationClosedError.detail,
        **failures.NEW_ACCOUNT,
    },
)
async def register(request: web.Request) -> web.Response:
    """Makes an account."""
    await request.app[ACCOUNTS].users.admit(str(client_address(request)))
    wanted = await read(request, _register_decoder)
    with renamed(ACCOUNT_NAMES):
        user = await request.app[ACCOUNTS].users.register(wanted.registration(), address=str(client_address(request)))
    await audit(request, Action.USER_CREATE, user.id, who=Principal(user_id=user.id, role=user.role, channels=None))
    return answer(Registered(), status=HTTPStatus.CREATED)


@operation(
    TAG,
    access=Access.EVERYBODY,
    body=Body(_login_decoder, {"a login": schemas.CREDENTIALS}, max_bytes=SMALL_BODY),
    answers=Answer("A token.", LoginData, LoginData(data=schemas.LOGIN)),
    errors={HTTPStatus.UNAUTHORIZED: WrongCredentialsError.detail, **failures.PASSWORD_CHECK},
)
async def login(request: web.Request) -> web.Response:
    """Logs in: a bearer token for an e-mail address and a password."""
    await request.app[ACCOUNTS].logins.admit(str(client_address(request)))
    wanted = await read(request, _login_decoder)
    done = await request.app[ACCOUNTS].logins.log_in(
        email=wanted.email,
        password=wanted.password,
        address=str(client_address(request)),
        client=request.headers.get(hdrs.USER_AGENT),
    )
    token = LoginData(data=Login(id=done.user.id, token=done.token))
    return answer(token, headers={"Cache-Control": "no-store"})


@operation(
    TAG,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=(parameters.USER_ID,),
    answers=Answer("The account.", AccountData, AccountData(data=schemas.ACCOUNT)),
    errors={
        HTTPStatus.FORBIDDEN: "this is the account of somebody else",
        HTTPStatus.NOT_FOUND: NoSuchUserError.detail,
    },
)
async def show_user(request: web.Request) -> web.Response:
    """Shows the own account.

    An admin sees any.
    """
    user_id = parse_id(request.match_info["id"])
    if not principal(request).may_see(user_id):
        raise RequestError(HTTPStatus.FORBIDDEN, "this is the account of somebody else")
    if user_id is None:
        raise RequestError(HTTPStatus.NOT_FOUND, "there is no such user")
    user = await request.app[ACCOUNTS].users.get(user_id)
    return answer(AccountData(data=Account.of(user)))


@operation(
    TAG,
    access=Access.MEMBERS,
    scope=Scope.SEND,
    body=Body(_enqueue_decoder, schemas.MAILS),
    answers=Answer("It is kept.", EnqueuedData, schemas.ENQUEUED),
    errors=failures.QUOTA,
)
async def enqueue(request: web.Request) -> web.Response:
    """Keeps a mail for its time.

    It is tried three times, over the SMTP server of the caller's account.
    """
    _user_id(request)
    wanted = await read(request, _enqueue_decoder)
    message = await accept(
        request,
        MessageRequest(
            channel=CHANNEL,
            recipient=wanted.recipient_email,
            subject=wanted.subject,
            content=wanted.body,
            due_at=_due_at(wanted.scheduled_at),
            max_tries=MAX_TRIES,
        ),
        names=TASK_NAMES,
    )
    return answer(EnqueuedData(data=Enqueued(task_id=message.id)))


@operation(TAG, access=Access.MEMBERS, scope=Scope.READ, parameters=PAGE_PARAMETERS, answers=_TASKS)
async def list_tasks(request: web.Request) -> web.Response:
    """Lists the caller's mails, the youngest first."""
    return await _list(request, [None])


@operation(TAG, access=Access.MEMBERS, scope=Scope.READ, parameters=PAGE_PARAMETERS, answers=_TASKS)
async def list_failed(request: web.Request) -> web.Response:
    """Lists those of them that failed, be it for now or for good."""
    return await _list(request, [Status.FAILED, Status.CANCELLED])


@operation(TAG, access=Access.EVERYBODY, answers=Answer("It serves.", Server, _server("production")))
async def live(request: web.Request) -> web.Response:
    """Tells whether this process serves requests, and what it is."""
    return answer(_server(request.app[SETTINGS].environment))


@operation(TAG, access=Access.EVERYBODY, answers=Answer("It serves.", Pong, Pong()))
async def ping(_request: web.Request) -> web.Response:
    """Answers, as shortly as can be."""
    return answer(Pong())


async def _list(request: web.Request, statuses: Iterable[Status | None]) -> web.Response:
    user_id, page, now = _user_id(request), page_of(request), utc_now()
    reach = msgspec.structs.replace(principal(request).reach, user_id=user_id)
    found: list[Message] = []
    ends: list[UUID] = []
    for status in statuses:
        wanted = MessageFilter(**reach.filter, channel=CHANNEL, status=status)
        listed = await request.app[STORE].messages.list(wanted, before=page.before, limit=page.and_one_more)
        found += listed
        ends += [listed[-1].id] if listed.more else []
    # Where one of the lists is cut short, the other one goes no further.
    found = sorted((each for each in found if each.id >= max(ends, default=each.id)), key=_id, reverse=True)
    shown, headers = cut(request, page, found, more=bool(ends))
    tasks = Tasks(tasks=[Task.of(message, now) for message in shown])
    return answer(TasksData(data=tasks), headers=headers)


def _id(message: Message) -> UUID:
    return message.id


def _user_id(request: web.Request) -> UUID:
    """The caller. Raises RequestError for the operator, who has no account that mail could be sent with."""
    user_id = principal(request).user_id
    if user_id is None:
        raise RequestError(
            HTTPStatus.UNAUTHORIZED,
            "this needs the token of a user",
            headers={"WWW-Authenticate": 'Bearer realm="tidings"'},
        )
    return user_id


def _due_at(scheduled_at: str | None) -> str | None:
    """When to send it, for the native API; None, which is now, for a time that is past."""
    if not scheduled_at:
        return None
    try:
        parsed = msgspec.convert(scheduled_at, datetime)
    except msgspec.ValidationError:
        detail = "must be a time such as 2030-01-31T09:00:00Z; without an offset it is UTC"
        raise InvalidError([Fault(field="scheduled_at", detail=detail)]) from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return parsed.isoformat() if parsed > utc_now() else None


def _respond(problem: Problem) -> web.Response:
    return answer(MailError(error=problem.detail, status=problem.status))


SYSTEM: Final = System(
    routes=(
        web.get("/healthz/live", live),
        web.get("/healthz/ping", ping),
        web.post("/api/v1/register", register),
        web.post("/api/v1/login", login),
        web.get("/api/v1/user/{id}", show_user),
        web.post("/api/v1/task/enqueue", enqueue),
        web.get("/api/v1/task/queue", list_tasks),
        web.get("/api/v1/task/queue/fail", list_failed),
    ),
    paths=re.compile(r"/(healthz|api/v1/(register|login|user|task))(/.*)?"),
    error=MailError,
    respond=_respond,
)
