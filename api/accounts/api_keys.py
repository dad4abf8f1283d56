"""Keys for programs: made, listed, revoked."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from api.accounts import key_text
from api.accounts.checks import channel_faults
from api.accounts.credentials import Credentials
from api.accounts.errors import NoSuchKeyError, NoSuchUserError
from api.http.problems import Fault, InvalidError
from sql.api_keys import ApiKeyStore
from tidings.domain.account import ApiKey


class ApiKeys:
    """The keys of all users."""

    def __init__(self, store: ApiKeyStore, credentials: Credentials) -> None:
        self._store = store
        self._credentials = credentials

    async def create(self, user_id: UUID, *, name: str, channels: Sequence[str] | None = None) -> tuple[ApiKey, str]:
        """A new key, and its text, which nobody can read again.

        `channels` takes the place of the user's own; whether whoever asks may give them is the caller's to check.
        Raises InvalidError, NoSuchUserError.
        """
        faults = channel_faults(channels)
        if not name.strip() or not name.isprintable():
            faults.append(Fault(field="name", detail="must be one line, and not blank"))
        if faults:
            raise InvalidError(faults)
        prefix, text = key_text.new_key()
        try:
            key = await self._store.create(
                user_id,
                name=name,
                prefix=prefix,
                hash=key_text.hash_of(text),
                channels=channels,
            )
        except asyncpg.ForeignKeyViolationError:
            raise NoSuchUserError from None
        return key, text

    async def list(self, user_id: UUID) -> list[ApiKey]:
        """The keys of a user, oldest first, revoked ones too."""
        return await self._store.list(user_id)

    async def revoke(self, user_id: UUID, key_id: UUID) -> ApiKey:
        """Makes a key of the user's void: here at once, elsewhere within seconds. Raises NoSuchKeyError."""
        revoked = await self._store.revoke(user_id, key_id)
        if revoked is None:
            raise NoSuchKeyError
        self._credentials.forget_key(revoked)
        return revoked
