"""The JSON of SMTP accounts. None of them shows a secret, in an answer or in its representation."""

from collections.abc import Sequence
from typing import Annotated, Final, Self

import msgspec
from msgspec import Meta

from api.accounts.schemas import NewSmtpAccount
from api.messages.schemas import MailboxField
from sql.smtp_accounts import KeptAccount
from tidings.domain.account import Redacted, Tls
from tidings.domain.mail_parts import Mailbox

MAX_URL: Final = 2000
MAX_PER_HOUR: Final = 1_000_000
MAX_CONNECTIONS: Final = 1000

NAME_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
AccountName = Annotated[str, Meta(max_length=64, pattern=NAME_PATTERN)]


class OAuthRequest(Redacted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where access tokens come from (RFC 6749, section 6), in place of a password."""

    token_url: Annotated[str, Meta(max_length=MAX_URL, pattern="^https?://")]
    client_id: Annotated[str, Meta(min_length=1, max_length=MAX_URL)]
    client_secret: Annotated[str, Meta(min_length=1, max_length=MAX_URL)] | None = None
    refresh_token: Annotated[str, Meta(min_length=1, max_length=10_000)]


class AccountRequest(NewSmtpAccount, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An SMTP account as a whole, its secrets in clear."""

    oauth: Annotated[OAuthRequest | None, Meta(description="In place of a password: XOAUTH2 or OAUTHBEARER.")] = None
    from_: Annotated[
        MailboxField | None,
        Meta(description="Whom its mail is from; null: its user name where that is an address, else the user."),
    ] = msgspec.field(default=None, name="from")
    per_hour: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_PER_HOUR)] | None, Meta(description="Mails in an hour at the most.")
    ] = None
    max_connections: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_CONNECTIONS)] | None,
        Meta(description="At a time, of each consumer; null: `SMTP_CONNECTIONS_PER_ACCOUNT`, which is a limit too."),
    ] = None
    is_default: Annotated[
        bool | None, Meta(description="Takes the mail that names no account. Null: as it was, and the first one does.")
    ] = None


class NamedAccountRequest(AccountRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new SMTP account."""

    name: AccountName


class OAuthAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An OAuth login, without its secrets."""

    token_url: str
    client_id: str


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An SMTP account, without its secrets."""

    name: str
    is_default: bool
    host: str
    port: int
    tls: Tls
    username: str | None
    has_password: bool
    oauth: OAuthAnswer | None
    sender: Mailbox | None = msgspec.field(name="from")
    per_hour: int | None
    max_connections: int | None

    @classmethod
    def of(cls, kept: KeptAccount) -> Self:
        """An account out of the store."""
        account, oauth = kept.account, kept.account.oauth
        return cls(
            name=account.name,
            is_default=kept.is_default,
            host=account.host,
            port=account.port,
            tls=account.wanted_tls,
            username=account.username,
            has_password=account.password is not None,
            oauth=None if oauth is None else OAuthAnswer(token_url=oauth.token_url, client_id=oauth.client_id),
            sender=account.sender,
            per_hour=account.per_hour,
            max_connections=account.max_connections,
        )


class AccountList(msgspec.Struct, frozen=True, kw_only=True):
    """A user's SMTP accounts, the default first."""

    smtp_accounts: Sequence[AccountAnswer]


class TrialAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a mail to oneself."""

    works: Annotated[bool, Meta(description="Whether the server took the mail.")]
    phase: Annotated[str, Meta(description="How far it came: `connect`, `greeting`, `TLS`, `EHLO`, `AUTH`, `MAIL`, …")]
    status_code: Annotated[int | None, Meta(description="Of the server's last reply, where that ended it.")]
    answer: Annotated[str, Meta(description="What the server said with it; nothing of a reply to a login.")]
    error: str | None
    seconds: float
    recipient: str
