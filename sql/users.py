"""Users: who may use this deployment, and how their mail and webhooks are sent.

Secrets come in and go out sealed; the store never sees one in clear, and neither does Postgres.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from sql.database import Noun
from sql.holds import WOKEN_AT_ONCE
from sql.smtp_accounts import CHANGED_SECONDS, smtp_account, wake_mail
from tidings.domain.account import Role, Sealed, Sender, SmtpAccount, Tls, User
from tidings.domain.errors import EmailTakenError, LastAdminError
from tidings.domain.ids import new_id

SECRET_OVERLAP: Final = timedelta(hours=24)
"""How long a signing secret goes on signing after it was replaced."""

WAKING: Final = timedelta(seconds=30)
"""For how long messages of a user who was enabled are looked for: longer than a consumer needs to hear of it."""
ACCOUNT_MAILS_KNOWN: Final = 1000
"""The newest mails about an account, which go with it; older ones go with their retention."""
USERS_AT_ONCE: Final = 100

FIRST: Final = UUID(int=0)


class SealedSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a user that is kept encrypted."""

    id: UUID
    smtp_password: Sealed | None
    webhook_secret: Sealed | None
    previous_webhook_secret: Sealed | None


class UserStore(Noun):
    """Accounts: read, written, their secrets sealed."""

    async def create(
        self,
        *,
        user_id: UUID | None = None,
        email: str,
        password_hash: str,
        role: Role = Role.USER,
        channels: Sequence[str] | None = None,
        smtp: SmtpAccount | None = None,
        proven: bool = True,
    ) -> User:
        """Keeps a new user. Raises EmailTakenError.

        `user_id` is given where the user brings a secret, which is sealed for its owner (`new_id()` makes one).
        """
        row = await self.database.one(
            "create_user",
            id=user_id or new_id(),
            email=email,
            password_hash=password_hash,
            role=role.value,
            channels=channels,
            proven=proven,
            **_smtp_columns(smtp),
        )
        if row is None:
            raise EmailTakenError("another user has this e-mail address")
        return _user(row)

    async def get(self, user_id: UUID) -> User | None:
        """The user, or None where there is none."""
        return _user_or_none(await self.database.one("get_user", id=user_id))

    async def find_by_email(self, email: str) -> User | None:
        """The user with this address, in whichever case it is written."""
        return _user_or_none(await self.database.one("find_user", email=email))

    async def any(self) -> bool:
        """Whether there is a user at all."""
        return bool(await self.database.one("any_user"))

    async def page(self, *, after: UUID | None, limit: int) -> list[User]:
        """Up to `limit` users whose ids come after the given one, in the order in which they were made."""
        return [_user(row) for row in await self.database.rows("list_users", after=after or FIRST, limit=limit)]

    async def update(
        self,
        user_id: UUID,
        *,
        email: str | None = None,
        password_hash: str | None = None,
        role: Role | None = None,
        may_prioritize: bool | None = None,
        revoke_keys: bool = False,
    ) -> User | None:
        """Changes what is given; None where there is no such user.

        A new password makes older bearer tokens void, `revoke_keys` all API keys too.

        Raises EmailTakenError, LastAdminError.
        """
        try:
            row = await self.database.one(
                "update_user",
                id=user_id,
                email=email,
                password_hash=password_hash,
                role=role and role.value,
                may_prioritize=may_prioritize,
                revoke_keys=revoke_keys,
            )
        except asyncpg.UniqueViolationError:
            raise EmailTakenError("another user has this e-mail address") from None
        except asyncpg.CheckViolationError as error:
            raise refusal(error) from error
        return _user_or_none(row)

    async def prove(self, user_id: UUID, address: str | None = None) -> User | None:
        """The e-mail address is the user's: this one, or for None whichever it is. Mail that waited for that goes.

        None where there is no such user, or the address is another one.
        """
        user = _user_or_none(await self.database.one("prove_user", id=user_id, address=address))
        if user is not None:
            await wake_mail(self.database, user_id)
        return user

    async def doubt(self, user_id: UUID) -> User | None:
        """Nobody knows that the e-mail address is the user's. None where there is no such user."""
        return _user_or_none(await self.database.one("doubt_user", id=user_id))

    async def reset_password(
        self, user_id: UUID, *, address: str, token_version: int, password_hash: str
    ) -> User | None:
        """Another password, which makes bearer tokens void; None where the address or the version is another one.

        API keys end where the address was not proven before.
        """
        user = _user_or_none(
            await self.database.one(
                "reset_password", id=user_id, address=address, token_version=token_version, password_hash=password_hash
            )
        )
        if user is not None:
            await wake_mail(self.database, user_id)
        return user

    async def count_mail(self, user_id: UUID, message_id: UUID, *, most: int) -> bool:
        """Counts a mail about the account; False where there were `most` in the last hour."""
        counted = await self.database.one(
            "count_mail", id=user_id, most=most, message_id=message_id, known=ACCOUNT_MAILS_KNOWN
        )
        return bool(counted)

    async def disable(self, user_id: UUID) -> User | None:
        """Makes every credential of a user void, and their messages wait; None where there is no such user.

        Raises LastAdminError.
        """
        try:
            return _user_or_none(await self.database.one("disable_user", id=user_id))
        except asyncpg.CheckViolationError as error:
            raise refusal(error) from error

    async def enable(self, user_id: UUID) -> User | None:
        """Lets a user act again; None where there is none, or they are being deleted."""
        return _user_or_none(await self.database.one("enable_user", id=user_id, waking=WAKING))

    async def wake_enabled(self) -> int:
        """Makes messages due that waited for users who were enabled lately; returns the count."""
        count = 0
        for row in await self.database.rows("to_wake", limit=USERS_AT_ONCE):
            woken = WOKEN_AT_ONCE
            while woken == WOKEN_AT_ONCE:
                woken = await self.database.one(
                    "wake_enabled", user_id=row["id"], seconds=CHANGED_SECONDS, limit=WOKEN_AT_ONCE
                )
                count += woken
            if row["over"]:
                await self.database.one("woken", id=row["id"], wake_until=row["wake_until"])
        return count

    async def rehash(self, user_id: UUID, *, old: str, new: str) -> None:
        """Replaces the hash of the same password; bearer tokens stay valid."""
        await self.database.one("rehash_password", id=user_id, old=old, new=new)

    async def set_channels(self, user_id: UUID, channels: Sequence[str] | None) -> User | None:
        """Gives a user these channels, or with None those of `USER_CHANNELS`. None where there is no such user."""
        return _user_or_none(await self.database.one("set_user_channels", id=user_id, channels=channels))

    async def set_allowed_from(self, user_id: UUID, addresses: Sequence[str]) -> User | None:
        """Lets a user's mail be from these addresses too. None where there is no such user."""
        return _user_or_none(await self.database.one("set_allowed_from", id=user_id, addresses=addresses))

    async def set_smtp(self, user_id: UUID, smtp: SmtpAccount | None) -> User | None:
        """Replaces the SMTP account as a whole, the password too. None where there is no such user.

        Mail that the account has held is due then; consumers hear of the change by NOTIFY.
        """
        user = _user_or_none(await self.database.one("set_smtp_account", id=user_id, **_smtp_columns(smtp)))
        await wake_mail(self.database, user_id)
        return user

    async def rotate_webhook_secret(
        self, user_id: UUID, secret: Sealed, *, overlap: timedelta = SECRET_OVERLAP
    ) -> datetime | None:
        """Signs with `secret` from now on, and until the returned time with the one before it too.

        The one before that stops at once. None where there is no such user.
        """
        until: datetime | None = await self.database.one(
            "rotate_webhook_secret", id=user_id, secret=secret, overlap=overlap
        )
        return until

    async def senders(self, user_ids: Sequence[UUID]) -> dict[UUID, Sender]:
        """What is needed to send in the name of these users; who does not exist is left out."""
        rows = await self.database.rows("senders", ids=user_ids)
        return {user_id: _sender(list(accounts)) for user_id, accounts in groupby(rows, itemgetter("id"))}

    async def sealed_secrets(self, *, after: UUID = FIRST, limit: int) -> list[SealedSecrets]:
        """A page of what is kept encrypted, of the users whose ids come after the given one."""
        rows = await self.database.rows("sealed_secrets", after=after, limit=limit)
        return [SealedSecrets(**row) for row in rows]

    async def reseal(self, resealed: Sequence[tuple[SealedSecrets, SealedSecrets]]) -> int:
        """Puts the second of each pair in the place of the first, unless that was changed meanwhile.

        Returns the count of users.
        """
        count: int = await self.database.one(
            "reseal_secrets",
            ids=[old.id for old, _ in resealed],
            smtp_passwords=[old.smtp_password for old, _ in resealed],
            webhook_secrets=[old.webhook_secret for old, _ in resealed],
            previous_webhook_secrets=[old.previous_webhook_secret for old, _ in resealed],
            new_smtp_passwords=[new.smtp_password for _, new in resealed],
            new_webhook_secrets=[new.webhook_secret for _, new in resealed],
            new_previous_webhook_secrets=[new.previous_webhook_secret for _, new in resealed],
        )
        return count


def refusal(error: asyncpg.CheckViolationError) -> Exception:
    """What to raise for a check that failed: LastAdminError, or the error itself."""
    if error.constraint_name != "last_admin":
        return error
    return LastAdminError("no admin would be left; make somebody else one first")


def _smtp_columns(smtp: SmtpAccount | None) -> dict[str, Any]:
    return {
        "smtp_host": smtp and smtp.host,
        "smtp_port": smtp and smtp.port,
        "smtp_username": smtp and smtp.username,
        "smtp_password": smtp and smtp.password,
        "smtp_tls": smtp and smtp.tls,
    }


def _smtp(row: asyncpg.Record) -> SmtpAccount | None:
    if row["smtp_host"] is None:
        return None
    return SmtpAccount(
        host=row["smtp_host"],
        port=row["smtp_port"],
        username=row["smtp_username"],
        password=row["smtp_password"],
        tls=Tls(row["smtp_tls"]) if row["smtp_tls"] else None,
    )


def _user_or_none(row: asyncpg.Record | None) -> User | None:
    return None if row is None else _user(row)


def _user(row: asyncpg.Record) -> User:
    return User(
        id=row["id"],
        email=row["email"],
        password_hash=row["password_hash"],
        role=Role(row["role"]),
        channels=None if row["channels"] is None else tuple(row["channels"]),
        may_prioritize=row["may_prioritize"],
        token_version=row["token_version"],
        smtp=_smtp(row),
        allowed_from=tuple(row["allowed_from"]),
        disabled_at=row["disabled_at"],
        deleting=row["deleting"],
        proven_at=row["proven_at"],
        signs_webhooks=row["signs_webhooks"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _sender(rows: Sequence[asyncpg.Record]) -> Sender:
    row = rows[0]
    return Sender(
        id=row["id"],
        email=row["email"],
        role=Role(row["role"]),
        smtp=smtp_account(row) if row["is_default"] else None,
        others=tuple(smtp_account(each) for each in rows if each["is_default"] is False),
        secret=row["webhook_secret"],
        previous_secret=row["previous_webhook_secret"],
        previous_until=row["previous_webhook_secret_until"],
        allowed_from=tuple(row["allowed_from"]),
        disabled=row["disabled"],
        proven=row["proven"],
    )
