"""Keys for programs: made, listed, revoked.

The text of a key is `tdg_<prefix>_<secret>`. The prefix (64 random bits) is no secret and finds the key. Of the whole,
which holds 256 more, only the SHA-256 is kept: what cannot be guessed needs no slow hash.
"""

import hmac
import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final
from uuid import UUID

import asyncpg

from api.accounts.checks import channel_faults
from api.accounts.errors import NoSuchKeyError, NoSuchUserError
from api.http.problems import Fault, InvalidError
from sql.api_keys import ApiKeyStore
from tidings.domain.account import ApiKey

MARK: Final = "tdg_"

_PREFIX_BYTES: Final = 8
_SECRET_BYTES: Final = 32
_PREFIX_LENGTH: Final = len(MARK) + 2 * _PREFIX_BYTES


def new_key() -> tuple[str, str]:
    """A new key: its prefix, and its text."""
    prefix = f"{MARK}{secrets.token_hex(_PREFIX_BYTES)}"
    return prefix, f"{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def prefix_of(key: str) -> str | None:
    """The part by which a key is found; None for what cannot be a key."""
    if not key.startswith(MARK) or key[_PREFIX_LENGTH : _PREFIX_LENGTH + 1] != "_":
        return None
    return key[:_PREFIX_LENGTH]


def hash_of(key: str) -> bytes:
    """What is kept of a key."""
    return sha256(key.encode()).digest()


def is_key(key: str, kept: bytes) -> bool:
    """Whether the key is the one whose hash is kept. Takes the same time whatever the answer."""
    return hmac.compare_digest(hash_of(key), kept)


class ApiKeys:
    def __init__(self, store: ApiKeyStore, *, forget: Callable[[ApiKey], None]) -> None:
        self._store = store
        self._forget = forget

    async def create(self, user_id: UUID, *, name: str, channels: Sequence[str] | None = None) -> tuple[ApiKey, str]:
        """A new key, and its text, which cannot be read again.

        `channels` takes the place of the user's own; the caller checks whether they may be given.
        Raises InvalidError, NoSuchUserError.
        """
        faults = channel_faults(channels)
        if not name.strip() or not name.isprintable():
            faults.append(Fault(field="name", detail="must be one line, and not blank"))
        if faults:
            raise InvalidError(faults)
        prefix, text = new_key()
        try:
            key = await self._store.create(
                user_id,
                name=name,
                prefix=prefix,
                hash=hash_of(text),
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
        self._forget(revoked)
        return revoked
