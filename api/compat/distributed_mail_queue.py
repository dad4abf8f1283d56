"""Distributed Mail Queue Service: accounts with an SMTP server each, and mail that is sent in their name."""

import platform
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Self
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from api.accounts.schemas import NewSmtpAccount, Registration
from api.auth import principal
from api.body import answer, read
from api.compat.acceptance import accept, renamed
from api.compat.paging import cut, page_of
from api.compat.system import UNPROCESSABLE_IS_BAD, Problem, System
from api.problems import Fault, InvalidError, RequestError
from api.resources import ACCOUNTS, SETTINGS, STORE
from api.schemas import MessageRequest
from sql.messages import MessageFilter
from tidings import __version__
from tidings.accounts import Discreet
from tidings.model import Message, Status, utc_now

CHANNEL: Final = "email"
MAX_TRIES: Final = 3

ACCOUNT_NAMES: Final = {
    "smtp.host": "smtp_host",
    "smtp.port": "smtp_port",
    "smtp.username": "smtp-username",
    "smtp.password": "smtp-password",
}
TASK_NAMES: Final = {"recipient": "recipient_email", "content": "body", "due_at": "scheduled_at"}

_NUMBERS: Final = {
    Status.PENDING: 0,
    Status.PROCESSING: 1,
    Status.SENT: 2,
    Status.FAILED: 3,
    Status.CANCELLED: 4,
}
SCHEDULED: Final = 5
"""Waits for a time in the future, and was not tried yet."""

Given = Annotated[str, Meta(min_length=1)]


class RegisterRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An account, and how its mail is sent; two of the names are spelled in two ways. Shows nothing of itself."""

    email: Given
    password: Given
    smtp_host: Given
    smtp_port: Annotated[int, Meta(ge=1, le=65535)]
    username: Given | None = msgspec.field(name="smtp-username", default=None)
    password_of_smtp: Given | None = msgspec.field(name="smtp-password", default=None)
    smtp_username: Given | None = None
    smtp_password: Given | None = None

    def __repr__(self) -> str:
        return "RegisterRequest(…)"

    def registration(self) -> Registration:
        """The same for the accounts. Raises InvalidError."""
        username = self.username or self.smtp_username
        password = self.password_of_smtp or self.smtp_password
        missing = [
            Fault(field=name, detail="is missing")
            for name, value in (("smtp-username", username), ("smtp-password", password))
            if value is None
        ]
        if missing:
            raise InvalidError(missing)
        smtp = NewSmtpAccount(host=self.smtp_host, port=self.smtp_port, username=username, password=password)
        return Registration(email=self.email, password=self.password, smtp=smtp)


class LoginRequest(Discreet, frozen=True, kw_only=True):
    """Who wants a token."""

    email: Given
    password: Given


class EnqueueRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A mail to send."""

    recipient_email: Given
    subject: Annotated[str, Meta(min_length=1, max_length=998)]
    body: Given
    scheduled_at: str | None = None
    """ISO 8601; without an offset it is UTC."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as the lists show it."""

    task_id: UUID
    status: int
    try_count: int
    recipient_email: str
    subject: str
    body: str

    @classmethod
    def of(cls, message: Message, now: datetime) -> Self:
        """A message out of the store, with its status as a number."""
        untried = message.status is Status.PENDING and message.tries + message.recoveries == 0
        return cls(
            task_id=message.id,
            status=SCHEDULED if untried and message.due_at > now else _NUMBERS[message.status],
            try_count=message.tries,
            recipient_email=message.recipient,
            subject=message.subject or "",
            body=message.content,
        )


_register_decoder: Final = msgspec.json.Decoder(RegisterRequest)
_login_decoder: Final = msgspec.json.Decoder(LoginRequest)
_enqueue_decoder: Final = msgspec.json.Decoder(EnqueueRequest)


async def register(request: web.Request) -> web.Response:
    """Makes an account."""
    wanted = await read(request, _register_decoder)
    with renamed(ACCOUNT_NAMES):
        await request.app[ACCOUNTS].users.register(wanted.registration(), address=request.remote)
    return _data("user registered successfully", status=HTTPStatus.CREATED)


async def login(request: web.Request) -> web.Response:
    """A bearer token for an e-mail address and a password."""
    wanted = await read(request, _login_decoder)
    done = await request.app[ACCOUNTS].logins.log_in(
        email=wanted.email, password=wanted.password, address=request.remote
    )
    return _data({"id": done.user.id, "token": done.token}, headers={"Cache-Control": "no-store"})


async def show_user(request: web.Request) -> web.Response:
    """The caller's own account; an admin sees any."""
    user_id = _uuid(request.match_info["id"])
    if not principal(request).may_see(user_id):
        raise RequestError(HTTPStatus.FORBIDDEN, "this is the account of somebody else")
    if user_id is None:
        raise RequestError(HTTPStatus.NOT_FOUND, "there is no such user")
    user = await request.app[ACCOUNTS].users.get(user_id)
    return _data(
        {
            "id": user.id,
            "email": user.email,
            "smtp_host": user.smtp and user.smtp.host,
            "smtp_port": user.smtp and user.smtp.port,
            "smtp-username": user.smtp and user.smtp.username,
        }
    )


async def enqueue(request: web.Request) -> web.Response:
    """Keeps a mail for its time; it is tried three times."""
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
    return _data({"task_id": message.id})


async def list_tasks(request: web.Request) -> web.Response:
    """A page of the caller's mails, the youngest first."""
    return await _list(request, [None])


async def list_failed(request: web.Request) -> web.Response:
    """Those of them that failed, be it for now or for good."""
    return await _list(request, [Status.FAILED, Status.CANCELLED])


async def live(request: web.Request) -> web.Response:
    """200 as long as this process serves requests."""
    return answer(
        {
            "server": request.app[SETTINGS].environment,
            "version": __version__,
            "build_information": f"tidings {__version__}, Python {platform.python_version()}",
            "message": "liveness is OK!, server is ready to accept connections",
        }
    )


async def ping(_request: web.Request) -> web.Response:
    """The shortest answer."""
    return answer({"message": "pong"})


async def _list(request: web.Request, statuses: Iterable[Status | None]) -> web.Response:
    user_id, page, now = _user_id(request), page_of(request), utc_now()
    found: list[Message] = []
    for status in statuses:
        wanted = MessageFilter(user_id=user_id, channel=CHANNEL, status=status)
        found += await request.app[STORE].messages.list(wanted, before=page.before, limit=page.and_one_more)
    shown, headers = cut(request, page, sorted(found, key=lambda message: message.id, reverse=True))
    tasks: Sequence[Task] = [Task.of(message, now) for message in shown]
    return _data({"tasks": tasks}, headers=headers)


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


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _due_at(scheduled_at: str | None) -> str | None:
    """When to send it, for the native API; None, which is now, for a time that is past."""
    if not scheduled_at:
        return None
    try:
        moment = msgspec.convert(scheduled_at, datetime)
    except msgspec.ValidationError:
        detail = "must be a time such as 2030-01-31T09:00:00Z; without an offset it is UTC"
        raise InvalidError([Fault(field="scheduled_at", detail=detail)]) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.isoformat() if moment > utc_now() else None


def _data(value: Any, *, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> web.Response:
    return answer({"data": value, "status": status}, status=status, headers=headers)


def _say(problem: Problem) -> web.Response:
    return answer({"error": problem.detail, "status": problem.status})


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
    public=frozenset({live, ping, register, login}),
    paths=re.compile(r"/(healthz|api/v1/(register|login|user|task))(/.*)?"),
    statuses=UNPROCESSABLE_IS_BAD,
    say=_say,
)
