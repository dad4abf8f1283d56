"""The JSON of the Distributed Mail Queue Service, as typed structs, with examples of it."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Generic, Self, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from api.accounts.schemas import MAX_SMTP_LENGTH, NewSmtpAccount, Registration
from api.http.lengths import MAX_PASSWORD, MAX_TIME, Content
from api.http.problems import Fault, InvalidError
from api.openapi import examples
from tidings.channels.email.addresses import MAX_ADDRESS, MAX_TEXT
from tidings.domain.account import Redacted, User
from tidings.domain.message import Message
from tidings.domain.states import Status

NUMBERS: Final = {
    Status.PENDING: 0,
    Status.PROCESSING: 1,
    Status.SENT: 2,
    Status.FAILED: 3,
    Status.CANCELLED: 4,
}
SCHEDULED: Final = 5
"""Waits for a time in the future, and was not tried yet."""

T = TypeVar("T")
Email = Annotated[str, Meta(min_length=1, max_length=MAX_ADDRESS)]
Password = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD)]
SmtpText = Annotated[str, Meta(min_length=1, max_length=MAX_SMTP_LENGTH)]


class RegisterRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An account, and how its mail is sent; two of the names are spelled in two ways. Shows nothing of itself."""

    email: Email
    password: Password
    smtp_host: SmtpText
    smtp_port: Annotated[int, Meta(ge=1, le=65535)]
    username: SmtpText | None = msgspec.field(name="smtp-username", default=None)
    password_of_smtp: SmtpText | None = msgspec.field(name="smtp-password", default=None)
    smtp_username: SmtpText | None = None
    smtp_password: SmtpText | None = None

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


class MailLogin(Redacted, frozen=True, kw_only=True):
    """Who wants a token."""

    email: Email
    password: Password


class EnqueueRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A mail to send."""

    recipient_email: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
    subject: Annotated[str, Meta(min_length=1, max_length=998)]
    body: Content
    scheduled_at: Annotated[
        Annotated[str, Meta(max_length=MAX_TIME)] | None, Meta(description="ISO 8601; without an offset it is UTC.")
    ] = None


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
            status=SCHEDULED if untried and message.due_at > now else NUMBERS[message.status],
            try_count=message.tries,
            recipient_email=message.recipient,
            subject=message.subject or "",
            body=message.content,
        )


class Data(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Around everything that is answered."""

    data: T
    status: int = HTTPStatus.OK


class Registered(Data[str], frozen=True, kw_only=True):
    """That there is an account now."""

    data: str = "user registered successfully"
    status: int = HTTPStatus.CREATED


class Login(Redacted, frozen=True, kw_only=True):
    """A bearer token, and whose it is."""

    id: UUID
    token: str


class LoginData(Data[Login], frozen=True, kw_only=True):
    """A login that succeeded."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account, without what only its user knows."""

    id: UUID
    email: str
    smtp_host: str | None
    smtp_port: int | None
    smtp_username: str | None = msgspec.field(name="smtp-username")

    @classmethod
    def of(cls, user: User) -> Self:
        """An account out of the store."""
        smtp = user.smtp
        return cls(
            id=user.id,
            email=user.email,
            smtp_host=None if smtp is None else smtp.host,
            smtp_port=None if smtp is None else smtp.port,
            smtp_username=None if smtp is None else smtp.username,
        )


class AccountData(Data[Account], frozen=True, kw_only=True):
    """Somebody's account."""


class Enqueued(msgspec.Struct, frozen=True, kw_only=True):
    """The id of a mail."""

    task_id: UUID


class EnqueuedData(Data[Enqueued], frozen=True, kw_only=True):
    """That a mail is kept."""


class Tasks(msgspec.Struct, frozen=True, kw_only=True):
    """Mails, the youngest first."""

    tasks: Sequence[Task]


class TasksData(Data[Tasks], frozen=True, kw_only=True):
    """A page of mails."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """What this is."""

    server: str
    version: str
    build_information: str
    message: str


class Pong(msgspec.Struct, frozen=True, kw_only=True):
    """The shortest answer."""

    message: str = "pong"


class MailError(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    error: str
    status: int


REGISTRATION: Final = {
    "email": "ida@example.com",
    "password": "correct horse battery staple",
    "smtp_host": "mail.example.com",
    "smtp_port": 587,
    "smtp-username": "ida",
    "smtp-password": "swordfish of smtp",
}
CREDENTIALS: Final = {name: REGISTRATION[name] for name in ("email", "password")}
MAIL: Final = {"recipient_email": "grace@example.com", "subject": "Your parcel", "body": "It is on its way."}
MAILS: Final = {"a mail, now": MAIL, "a mail, later": {**MAIL, "scheduled_at": "2030-01-31T09:00:00Z"}}
LOGIN: Final = Login(id=examples.USER_ID, token="eyJhbGciOi…")  # noqa: S106
ACCOUNT: Final = Account(
    id=examples.USER_ID, email="ida@example.com", smtp_host="mail.example.com", smtp_port=587, smtp_username="ida"
)
ENQUEUED: Final = EnqueuedData(data=Enqueued(task_id=examples.MESSAGE_ID))
TASK: Final = Task(
    task_id=examples.MESSAGE_ID,
    status=NUMBERS[Status.SENT],
    try_count=1,
    recipient_email=MAIL["recipient_email"],
    subject=MAIL["subject"],
    body=MAIL["body"],
)
