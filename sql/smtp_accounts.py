"""SMTP accounts of users: read, written, their secrets sealed.

The default one stands in `users` too, for processes that know no others; triggers keep the two alike, and notify
consumers of each change (`tidings_users`).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from sql.database import Database, Noun
from sql.holds import WOKEN_AT_ONCE
from tidings.domain.account import OAuth, Sealed, SmtpAccount, Tls
from tidings.domain.ids import new_id
from tidings.domain.mail_parts import Mailbox
from tidings.domain.states import HeldReason

CHANGED_SECONDS: Final = 1.0
"""When mail is due that an account held which has changed: later than consumers hear of that."""
MAX_ACCOUNTS: Final = 100
"""Of one user: all of them are read with each batch of theirs."""


class KeptAccount(msgspec.Struct, frozen=True):
    """An account of a user."""

    account: SmtpAccount
    is_default: bool


class SealedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of an account that is kept encrypted."""

    id: UUID
    user_id: UUID
    password: Sealed | None
    client_secret: Sealed | None
    refresh_token: Sealed | None


class Put(StrEnum):
    """What came of keeping an account."""

    CREATED = "created"
    REPLACED = "replaced"
    TAKEN = "taken"
    """There is one of that name, and none was to be replaced."""
    TOO_MANY = "too many"
    NO_USER = "no user"


class SmtpAccountStore(Noun):
    """The accounts of all users."""

    async def list(self, user_id: UUID) -> Sequence[KeptAccount]:
        """A user's, the default first."""
        return [_kept(row) for row in await self.database.rows("list_smtp_accounts", user_id=user_id)]

    async def put(
        self, user_id: UUID, account: SmtpAccount, *, is_default: bool | None = None, replace: bool = True
    ) -> Put:
        """Keeps an account as a whole. `is_default` None: as it was, and the first one is.

        Mail that was held for an account of the user is due then.
        """
        queries, name = self.database.queries, account.name
        async with self.database.transaction() as connection:
            if await queries.lock_user(connection, id=user_id) is None:
                return Put.NO_USER
            known = {row["name"]: row async for row in queries.list_smtp_accounts(connection, user_id=user_id)}
            there = known.get(name)
            if there is not None and not replace:
                return Put.TAKEN
            if there is None and len(known) >= MAX_ACCOUNTS:
                return Put.TOO_MANY
            if is_default is None:
                is_default = not known if there is None else there["is_default"]
            if is_default:
                await queries.clear_default_account(connection, user_id=user_id, name=name)
            oauth, sender = account.oauth, account.sender
            await queries.put_smtp_account(
                connection,
                user_id=user_id,
                name=name,
                id=new_id(),
                is_default=is_default,
                host=account.host,
                port=account.port,
                tls=account.tls,
                username=account.username,
                password=account.password,
                token_url=oauth and oauth.token_url,
                client_id=oauth and oauth.client_id,
                client_secret=oauth and oauth.client_secret,
                refresh_token=oauth and oauth.refresh_token,
                from_address=sender and sender.email,
                from_name="" if sender is None else sender.name,
                per_hour=account.per_hour,
                max_connections=account.max_connections,
            )
        await wake_mail(self.database, user_id)
        # It may go to another server now, or more of it in an hour.
        await wake_mail(self.database, user_id, HeldReason.RATE)
        return Put.CREATED if there is None else Put.REPLACED

    async def delete(self, user_id: UUID, name: str) -> KeptAccount | None:
        """Returns what is deleted; None where there is none."""
        async with self.database.transaction() as connection:
            await self.database.queries.lock_user(connection, id=user_id)
            row = await self.database.queries.delete_smtp_account(connection, user_id=user_id, name=name)
        return None if row is None else _kept(row)

    async def works(self, user_id: UUID) -> None:
        """An account was seen to work: what consumers hold against the user's is over, and their mail is due."""
        await self.database.one("user_mended", id=user_id)
        await wake_mail(self.database, user_id)

    async def refresh_token(self, account_id: UUID) -> Sealed | None:
        """As it is now: another process may have got another one. None where the account was replaced."""
        token: Sealed | None = await self.database.one("refresh_token", id=account_id)
        return token

    async def rotate(self, account_id: UUID, old: Sealed, new: Sealed) -> None:
        """Keeps what a token server gave in the place of a refresh token, unless another process was first."""
        await self.database.one("rotate_refresh_token", id=account_id, old=old, new=new)

    async def sealed_secrets(self, *, after: UUID, limit: int) -> Sequence[SealedAccount]:
        """A page of what is kept encrypted, of the accounts whose ids come after the given one."""
        rows = await self.database.rows("sealed_smtp_secrets", after=after, limit=limit)
        return [SealedAccount(**row) for row in rows]

    async def reseal(self, resealed: Sequence[tuple[SealedAccount, SealedAccount]]) -> int:
        """Puts the second of each pair in the place of the first, unless that was changed meanwhile.

        Returns the count of accounts.
        """
        count: int = await self.database.one(
            "reseal_smtp_secrets",
            ids=[old.id for old, _ in resealed],
            passwords=[old.password for old, _ in resealed],
            client_secrets=[old.client_secret for old, _ in resealed],
            refresh_tokens=[old.refresh_token for old, _ in resealed],
            new_passwords=[new.password for _, new in resealed],
            new_client_secrets=[new.client_secret for _, new in resealed],
            new_refresh_tokens=[new.refresh_token for _, new in resealed],
        )
        return count


async def wake_mail(database: Database, user_id: UUID, reason: HeldReason = HeldReason.ACCOUNT) -> None:
    """Mail of the user that was held for an account, or its rate, is due, up to `WOKEN_AT_ONCE`."""
    await database.one(
        "wake_held",
        channel="email",
        user_id=user_id,
        reason=reason,
        seconds=CHANGED_SECONDS,
        limit=WOKEN_AT_ONCE,
    )


def _kept(row: asyncpg.Record) -> KeptAccount:
    return KeptAccount(smtp_account(row), row["is_default"])


def smtp_account(row: asyncpg.Record) -> SmtpAccount:
    """From the columns of the fragment `smtp_account_columns`."""
    oauth = None
    if row["token_url"] is not None:
        oauth = OAuth(
            token_url=row["token_url"],
            client_id=row["client_id"],
            client_secret=row["client_secret"],
            refresh_token=row["refresh_token"],
        )
    return SmtpAccount(
        name=row["name"],
        id=row["account_id"],
        host=row["host"],
        port=row["port"],
        username=row["username"],
        password=row["password"],
        oauth=oauth,
        tls=Tls(row["tls"]) if row["tls"] else None,
        sender=None if row["from_address"] is None else Mailbox(email=row["from_address"], name=row["from_name"]),
        per_hour=row["per_hour"],
        max_connections=row["max_connections"],
    )
