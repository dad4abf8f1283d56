"""The refresh tokens of SMTP accounts, in Postgres: each is read and replaced there, since all consumers use it."""

from uuid import UUID

from sql.database import AWAY
from sql.smtp_accounts import SmtpAccountStore
from tidings.domain.account import Sealed
from tidings.domain.errors import StoreUnavailableError


class StoredTokens:
    """Raises StoreUnavailableError where Postgres is away."""

    def __init__(self, store: SmtpAccountStore) -> None:
        self._store = store

    async def current(self, account_id: UUID) -> Sealed | None:
        """The one in use; None where the account was replaced."""
        try:
            return await self._store.refresh_token(account_id)
        except AWAY as error:
            raise StoreUnavailableError("the refresh token could not be read") from error

    async def rotate(self, account_id: UUID, old: Sealed, new: Sealed) -> None:
        """Keeps a new one, unless another process was first."""
        try:
            await self._store.rotate(account_id, old, new)
        except AWAY as error:
            raise StoreUnavailableError("the refresh token could not be kept") from error
