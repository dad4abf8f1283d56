"""The JSON of accounts, as typed structs. None of them shows a password, token or key in its representation."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Final, Self, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.http.lengths import MAX_NAME, MAX_NAMES, EmailAddress, Names, Password
from api.http.principal import usable_channels
from sql.deletions import Deletion
from tidings.channels.installed import channel_names
from tidings.domain.account import Redacted, Role, SmtpAccount, Tls, User
from tidings.domain.api_key import ApiKey, Scope
from tidings.domain.message import QUEUE_NAME_PATTERN
from tidings.domain.session import Session

T = TypeVar("T")

MAX_ALLOWED_FROM: Final = 1000
MAX_SMTP_LENGTH: Final = 512

_SmtpText = Annotated[str, Meta(max_length=MAX_SMTP_LENGTH)]
KeyName = Annotated[str, Meta(min_length=1, max_length=100)]
QueueName = Annotated[str, Meta(pattern=f"^{QUEUE_NAME_PATTERN}$", max_length=MAX_NAME)]


class NewSmtpAccount(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a user's mail is to be sent, with the password in clear."""

    host: Annotated[str, Meta(max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    username: _SmtpText | None = None
    password: _SmtpText | None = None
    tls: Annotated[
        Tls | bool | None,
        Meta(
            description="`implicit` is TLS from the first byte. Null or true: `implicit` at port 465, else `starttls`."
            " `none` or false where the server has none; mail goes there only where the operator allows that."
        ),
    ] = None


class Registration(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who wants an account."""

    email: EmailAddress
    password: Password
    smtp: NewSmtpAccount | None = None


class NewUser(Registration, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account that an admin makes."""

    role: Role = Role.USER
    channels: Annotated[Names | None, Meta(description="Null: those of `USER_CHANNELS`, and for an admin all.")] = None


class LoginRequest(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An e-mail address and a password, for a bearer token."""

    email: EmailAddress
    password: Password


class ProfileChange(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user changes of their own account; what is not given stays."""

    email: EmailAddress | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    current_password: Annotated[Password | None, Meta(description="Needed for a new e-mail address or password.")] = (
        None
    )
    revoke_keys: Annotated[bool, Meta(description="With a new password: whether all API keys end too.")] = False
    smtp: Annotated[
        NewSmtpAccount | UnsetType | None, Meta(description="Replaced as a whole, its password too; null removes it.")
    ] = UNSET


class PasswordRequest(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who does not know their password any more."""

    email: EmailAddress


class OwnDeletion(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That one's own account shall be deleted."""

    current_password: Password


class UserChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an admin changes of a user; what is not given stays."""

    role: Role | UnsetType = UNSET
    channels: Annotated[
        Names | UnsetType | None, Meta(description="Null: those of `USER_CHANNELS`, and for an admin all.")
    ] = UNSET
    allowed_from: Annotated[
        Annotated[list[EmailAddress], Meta(max_length=MAX_ALLOWED_FROM)] | UnsetType,
        Meta(
            description=(
                "Addresses besides their own that the user's e-mail may be from; `@example.com` stands for all of a"
                " domain."
            )
        ),
    ] = UNSET
    email_proven: Annotated[
        bool | UnsetType, Meta(description="That an admin knows the e-mail address to be the user's, or no longer.")
    ] = UNSET
    may_prioritize: Annotated[
        bool | UnsetType,
        Meta(description="May send with priority `high` and a `fairness_key`, as admins may."),
    ] = UNSET


class KeyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key for a program. One that a key asks for has at most what that key has, and ends with it."""

    name: KeyName
    role: Annotated[Role, Meta(description="`admin` is for admins to give, to a key of an admin.")] = Role.USER
    scopes: Annotated[
        Annotated[list[Scope], Meta(min_length=1, max_length=len(Scope))] | UnsetType,
        Meta(
            description=(
                "What it may do: `send` messages; `read` them, queues, holds and suppressions; `manage` them: cancel,"
                " retry, release, suppress; `admin`: change accounts and credentials. Where it is not given, all but"
                " `admin`."
            )
        ),
    ] = UNSET
    channels: Annotated[
        Names | None,
        Meta(
            description=(
                "What it may send with, and whose messages it sees and changes. Null: those of its user. More than"
                " the user has is for an admin to give."
            )
        ),
    ] = None
    queues: Annotated[
        Annotated[list[QueueName], Meta(max_length=MAX_NAMES)] | None,
        Meta(description="Those that it sends to, sees and changes. Null: all."),
    ] = None
    expires_at: Annotated[
        Annotated[datetime, Meta(tz=True)] | None, Meta(description="When it ends. Null: when somebody revokes it.")
    ] = None


def given(value: T | UnsetType) -> T | None:
    """The value; None also where it was left out."""
    return None if value is UNSET else value


class LoginAnswer(Redacted, frozen=True, kw_only=True):
    """A bearer token."""

    token: str
    token_type: str = "Bearer"  # noqa: S105
    expires_at: datetime
    user_id: UUID


class SmtpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An SMTP account, without its password."""

    host: str
    port: int
    username: str | None
    has_password: bool
    tls: Tls

    @classmethod
    def of(cls, smtp: SmtpAccount) -> Self:
        """An account out of the store."""
        return cls(
            host=smtp.host,
            port=smtp.port,
            username=smtp.username,
            has_password=smtp.password is not None,
            tls=smtp.wanted_tls,
        )


class UserAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A user; nothing of what only they know."""

    id: UUID
    email: str
    role: Role
    channels: Annotated[Sequence[str], Meta(description="Those that the user may send with.")]
    smtp: SmtpAnswer | None
    allowed_from: Annotated[
        Sequence[str], Meta(description="Addresses besides their own that their e-mail may be from.")
    ]
    signs_webhooks: Annotated[
        bool,
        Meta(description="With a secret that they have made; before that, with one of their own that nobody is told."),
    ]
    may_prioritize: Annotated[bool, Meta(description="With priority `high`, and by `fairness_key`.")] = False
    email_proven_at: Annotated[
        datetime | None,
        Meta(description="When the e-mail address was shown to be the user's; null: mail may not go out from it."),
    ] = None
    disabled_at: Annotated[
        datetime | None, Meta(description="Since when it can do nothing, and its messages wait; null: it can.")
    ] = None
    deleting: Annotated[bool, Meta(description="Being deleted, which cannot be taken back.")] = False
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User, default_channels: Iterable[str]) -> Self:
        """A user out of the store."""
        usable = usable_channels(user, default_channels)
        return cls(
            id=user.id,
            email=user.email,
            role=user.role,
            channels=sorted(channel_names() if usable is None else usable),
            smtp=None if user.smtp is None else SmtpAnswer.of(user.smtp),
            allowed_from=user.allowed_from,
            signs_webhooks=user.signs_webhooks,
            may_prioritize=user.may_prioritize or user.role is Role.ADMIN,
            email_proven_at=user.proven_at,
            disabled_at=user.disabled_at,
            deleting=user.deleting,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )


class MailAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """That a mail says the rest."""

    detail: str


class DeletionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How far the deletion of an account is."""

    id: UUID
    requested_at: datetime
    cancelled: Annotated[int, Meta(description="Messages that waited, and were cancelled.")]
    erased: Annotated[int, Meta(description="Messages of which nothing personal is left.")]
    finished_at: Annotated[datetime | None, Meta(description="Null: it goes on.")]

    @classmethod
    def of(cls, deletion: Deletion) -> Self:
        """A deletion out of the store."""
        return msgspec.convert(deletion, cls, from_attributes=True)


class UserList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of users, oldest first."""

    users: Sequence[UserAnswer]
    next_cursor: Annotated[str | None, Meta(description="Names the next page; null on the last one.")]


class SecretAnswer(Redacted, frozen=True, kw_only=True):
    """A new signing secret. It is not shown again."""

    secret: str
    previous_until: Annotated[datetime, Meta(description="Until then the secret before it signs too.")]


class KeyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without what makes it one."""

    id: UUID
    name: str
    prefix: Annotated[str, Meta(description="With which the key begins.")]
    role: Annotated[Role | None, Meta(description="Null: that of its user.")]
    scopes: Sequence[Scope]
    channels: Sequence[str] | None
    queues: Sequence[str] | None
    expires_at: datetime | None
    parent_id: Annotated[UUID | None, Meta(description="The key that made it, with which it ends.")]
    created_at: datetime
    last_used_at: Annotated[datetime | None, Meta(description="To the minute.")]
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """A key out of the store."""
        values = {name: getattr(key, name) for name in cls.__struct_fields__}
        return cls(**{**values, "scopes": [scope for scope in Scope if scope in key.scopes]})


class NewKeyAnswer(Redacted, frozen=True, kw_only=True):
    """A new key. It is not shown again."""

    id: UUID
    name: str
    key: str
    role: Role | None
    scopes: Sequence[Scope]
    channels: Sequence[str] | None
    queues: Sequence[str] | None
    expires_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, key: ApiKey, text: str) -> Self:
        """A key out of the store, with its text."""
        shown = KeyAnswer.of(key)
        values = {name: getattr(shown, name) for name in cls.__struct_fields__ if name != "key"}
        return cls(key=text, **values)


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A session that has not ended."""

    id: UUID
    address: Annotated[str | None, Meta(description="From which somebody logged in.")]
    client: Annotated[str | None, Meta(description="What they logged in with, as it calls itself (`User-Agent`).")]
    current: Annotated[bool, Meta(description="Whether this request is of it.")]
    created_at: datetime
    expires_at: datetime
    last_used_at: Annotated[datetime | None, Meta(description="To the minute.")]

    @classmethod
    def of(cls, session: Session, current: UUID | None) -> Self:
        """A session out of the store."""
        values = {name: getattr(session, name) for name in cls.__struct_fields__ if name != "current"}
        return cls(current=session.id == current, **values)


class SessionList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a user's sessions, the newest first."""

    sessions: Sequence[SessionAnswer]
    next_cursor: Annotated[str | None, Meta(description="Names the next page; null on the last one.")]


class EndedSessions(msgspec.Struct, frozen=True, kw_only=True):
    """How many sessions have ended."""

    count: int


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """A user's keys, oldest first, those too that have ended."""

    api_keys: Sequence[KeyAnswer]
