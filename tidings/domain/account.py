"""The account model: users, and what is sent in their name.

No representation of these shows a password's hash or a secret, sealed as it may be.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final, NewType
from uuid import UUID

import msgspec

from tidings.domain.mail_parts import Mailbox

Sealed = NewType("Sealed", bytes)
"""A secret as it is kept: encrypted by `tidings.security.secretbox`."""

IMPLICIT_TLS_PORT: Final = 465
DEFAULT_ACCOUNT: Final = "default"
"""Name of an SMTP account that was given none."""
OPERATORS_ACCOUNT: Final = "operator"
"""Name by which a message chooses that of `SMTP_URL`; no account of a user has it."""

_HIDDEN: Final = frozenset(
    {
        *("password_hash", "password", "current_password", "secret", "previous_secret", "token", "key", "hash"),
        *("client_secret", "refresh_token", "clear_password", "sealed", "credentials", "clear"),
    }
)


class Role(StrEnum):
    """What a user may do: an admin sees all messages and controls the queues."""

    ADMIN = "admin"
    USER = "user"


class Redacted(msgspec.Struct, frozen=True, kw_only=True):
    """Shows `…` for what is secret."""

    def __repr__(self) -> str:
        shown = (
            f"{name}={'…' if name in _HIDDEN and value is not None else repr(value)}"
            for name in self.__struct_fields__
            for value in (getattr(self, name),)
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Tls(StrEnum):
    """How a mail server is spoken to."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    """TLS from the first byte."""
    NONE = "none"
    """The server offers none. Mail goes there only where `SMTP_ALLOW_PLAINTEXT` is set too."""


class OAuth(Redacted, frozen=True, kw_only=True):
    """Where the access tokens of an account come from (RFC 6749, section 6)."""

    token_url: str
    client_id: str
    client_secret: Sealed | None = None
    """None: a public client, without one."""
    refresh_token: Sealed


class SmtpAccount(Redacted, frozen=True, kw_only=True):
    """How a user's mail is sent."""

    name: str = DEFAULT_ACCOUNT
    id: UUID | None = None
    """Another one each time the account is replaced. None: what it is known by is all that it has."""
    host: str
    port: int
    username: str | None = None
    password: Sealed | None = None
    clear_password: str | None = None
    """That of the operator's account, which is a setting."""
    oauth: OAuth | None = None
    """In place of a password."""
    tls: Tls | None = None
    """None: as the port has it, `IMPLICIT` at 465 (RFC 8314, section 3.3) and `STARTTLS` at any other."""
    sender: Mailbox | None = None
    """Whom its mail is from. None: its user name where that is an address, else the user."""
    per_hour: int | None = None
    """Mails in an hour at the most, by all consumers together."""
    max_connections: int | None = None
    """Of one consumer, where that is less than `SMTP_CONNECTIONS_PER_ACCOUNT`."""

    @property
    def logs_in(self) -> bool:
        """Whether the server asks who it is, and so can answer for whom its mail is from."""
        return self.username is not None and (self.password is not None or self.oauth is not None)

    @property
    def wanted_tls(self) -> Tls:
        return self.tls or (Tls.IMPLICIT if self.port == IMPLICIT_TLS_PORT else Tls.STARTTLS)


class User(Redacted, frozen=True, kw_only=True):
    """A user as Postgres keeps it. All times are UTC."""

    id: UUID
    email: str
    password_hash: str
    role: Role
    channels: tuple[str, ...] | None
    """None: those of `USER_CHANNELS`."""
    token_version: int
    """Must be in a bearer token for it to be good; a new password counts it up."""
    smtp: SmtpAccount | None
    allowed_from: tuple[str, ...] = ()
    """Addresses besides their own that they may send mail from; `@example.com` for all of a domain."""
    signs_webhooks: bool
    """Has made the secret that signs its webhooks, and so can know it."""
    disabled_at: datetime | None = None
    """Since when no credential of theirs is good, and their messages wait; None: they work."""
    deleting: bool = False
    """Being deleted, which cannot be taken back."""
    proven_at: datetime | None = None
    """When they showed that the e-mail address is theirs; None: nobody knows."""
    may_prioritize: bool = False
    """May send with priority `high`, and say by a fairness key whose turn a message takes; admins may anyway."""
    created_at: datetime
    updated_at: datetime


class Sender(Redacted, frozen=True, kw_only=True):
    """What a consumer needs of a user to send in their name."""

    id: UUID
    email: str
    role: Role = Role.USER
    smtp: SmtpAccount | None = None
    """The default account."""
    others: tuple[SmtpAccount, ...] = ()
    """The other accounts."""
    may_use_operators: bool = False
    """Whether their mail may go through the operator's account too."""
    secret: Sealed | None = None
    """Signs webhooks. None: one does that is derived of `SECRET_KEYS`."""
    previous_secret: Sealed | None = None
    """Signs them too until `previous_until`. None: nobody knew the one before."""
    previous_until: datetime | None = None
    allowed_from: tuple[str, ...] = ()
    """Addresses besides their own that they may send mail from; `@example.com` for all of a domain."""
    disabled: bool = False
    """Their messages wait."""
    proven: bool = True
    """Whether the e-mail address is known to be theirs."""
    must_prove: bool = False
    """Whether addresses are proven by mail here."""

    def account(self, name: str) -> SmtpAccount | None:
        """Their own account of that name."""
        accounts = self.others if self.smtp is None else (self.smtp, *self.others)
        return next((each for each in accounts if each.name == name), None)


def may_send_from(address: str, sender: Sender, account: SmtpAccount | None) -> bool:
    """Whether mail of this user may be from an address: one allowed them, or by an account of theirs, their own.

    Their own are the one that they log in with here, once it is proven, and the one that they log in with there. Where
    nobody can prove one by mail, the server that they log in to answers for both, as it does in any mail program; a
    server that lets everybody in from here does not. None: by the operator's account.
    """
    own = {each.lower() for each in sender.allowed_from}
    if account is not None and (sender.proven or (account.logs_in and not sender.must_prove)):
        own |= {sender.email.lower(), (account.username or "").lower()}
    address = address.lower()
    return address in own or f"@{address.rpartition('@')[2]}" in own
