"""Deleting accounts: begun here, and done in pieces by the producer that leads (`producer/accounts.py`)."""

from uuid import UUID

import msgspec

from api.accounts.credentials import Credentials
from api.accounts.errors import LastAdminLeftError, NoSuchDeletionError, NoSuchUserError
from api.accounts.logins import Logins
from api.http.problems import Fault, InvalidError
from sql.deletions import Deletion
from sql.store import Store
from tidings.domain.errors import LastAdminError


class Deletions(msgspec.Struct, frozen=True, kw_only=True):
    """The end of accounts."""

    store: Store
    logins: Logins
    credentials: Credentials

    async def request(self, user_id: UUID) -> Deletion:
        """Ends all that a user can do at once, and begins the deletion. Raises NoSuchUserError, LastAdminLeftError."""
        try:
            deletion = await self.store.deletions.request(user_id)
        except LastAdminError:
            raise LastAdminLeftError from None
        if deletion is None:
            raise NoSuchUserError
        self.credentials.forget_user(user_id)
        return deletion

    async def request_own(self, user_id: UUID, password: str, *, address: str | None) -> Deletion:
        """`request` by the user, who shows that they know the password; `address` is the client's.

        Raises InvalidError, LastAdminLeftError, TooManyLoginsError, BusyError.
        """
        user = await self.store.users.get(user_id)
        if user is None:
            raise NoSuchUserError
        if not await self.logins.confirm(user, password, address=address):
            raise InvalidError([Fault(field="current_password", detail="is wrong")])
        return await self.request(user_id)

    async def get(self, deletion_id: UUID) -> Deletion:
        """How far it is. Raises NoSuchDeletionError."""
        deletion = await self.store.deletions.get(deletion_id)
        if deletion is None:
            raise NoSuchDeletionError
        return deletion
