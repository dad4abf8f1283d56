"""Keys for programs: made, listed, revoked.

The text of a key is `tdg_<prefix>_<secret>`. The prefix (64 random bits) is no secret and finds the key. Of the whole,
which holds 256 more, only the SHA-256 is kept: what cannot be guessed needs no slow hash.
"""

import hmac
import secrets
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

import asyncpg
from msgspec import UNSET

from api.accounts.checks import channel_faults
from api.accounts.errors import NoSuchKeyError, NoSuchUserError, NotYoursToGiveError, TooManyKeysError
from api.accounts.schemas import KeyRequest
from api.http.principal import Principal
from api.http.problems import Fault, InvalidError
from sql.api_keys import ApiKeyStore, NewApiKey
from tidings.domain.account import Role, User
from tidings.domain.api_key import USUAL_SCOPES, ApiKey, Scope
from tidings.domain.timestamps import utc_now

MARK: Final = "tdg_"
MOST_KEYS: Final = 1000
"""That are good, of one user; and as many again that are not any more, which are kept for the record."""

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

    async def create(self, owner: User, wanted: KeyRequest, maker: Principal) -> tuple[ApiKey, str]:
        """A new key of the owner's, and its text, which cannot be read again.

        Raises InvalidError, NotYoursToGiveError, NoSuchUserError, TooManyKeysError.
        """
        if faults := [*channel_faults(wanted.channels), *_faults(owner, wanted, maker.key)]:
            raise InvalidError(faults)
        prefix, text = new_key()
        new = _limited(wanted, maker, prefix=prefix, hash=hash_of(text))
        try:
            key = await self._store.create(owner.id, new, kept=MOST_KEYS, most=MOST_KEYS)
        except asyncpg.ForeignKeyViolationError:
            raise NoSuchUserError from None
        if key is None:
            raise TooManyKeysError
        return key, text

    async def list(self, user_id: UUID) -> list[ApiKey]:
        """The keys of a user, oldest first, those too that have ended."""
        return await self._store.list(user_id)

    async def revoke(self, user_id: UUID, key_id: UUID) -> ApiKey:
        """Makes a key of the user's void: here at once, elsewhere within seconds. Raises NoSuchKeyError."""
        revoked = await self._store.revoke(user_id, key_id)
        if not revoked:
            raise NoSuchKeyError
        for key in revoked:
            self._forget(key)
        return revoked[0]


_NO_LIMITS: Final = ApiKey(
    id=UUID(int=0), user_id=UUID(int=0), name="", prefix="", hash=b"", created_at=datetime.fromtimestamp(0, UTC)
)
"""What limits keys that somebody without a key makes."""


def _faults(owner: User, wanted: KeyRequest, parent: ApiKey | None) -> list[Fault]:
    faults = []
    if not wanted.name.strip() or not wanted.name.isprintable():
        faults.append(Fault(field="name", detail="must be one line, and not blank"))
    if wanted.role is Role.ADMIN and owner.role is not Role.ADMIN:
        faults.append(Fault(field="role", detail="cannot be admin, as its user is none"))
    if wanted.expires_at is not None and wanted.expires_at <= utc_now():
        faults.append(Fault(field="expires_at", detail="must be in the future"))
    end = None if parent is None else parent.expires_at
    if end is not None and wanted.expires_at is not None and wanted.expires_at > end:
        faults.append(Fault(field="expires_at", detail="must not be after the end of the key that asks"))
    return faults


def _limited(wanted: KeyRequest, maker: Principal, *, prefix: str, hash: bytes) -> NewApiKey:  # noqa: A002
    """The key, with what its maker may give. Raises NotYoursToGiveError where that is less than what is wanted."""
    parent = maker.key or _NO_LIMITS
    scopes = frozenset(USUAL_SCOPES) & maker.scopes if wanted.scopes is UNSET else frozenset(wanted.scopes)
    channels = wanted.channels if wanted.channels is not None else parent.channels
    queues = wanted.queues if wanted.queues is not None else parent.queues
    allowed = (
        bool(scopes) and scopes <= maker.scopes,
        wanted.role is not Role.ADMIN or maker.is_admin,
        _is_within(channels, parent.channels),
        _is_within(queues, parent.queues),
        maker.is_admin or _is_within(wanted.channels, maker.channels),
    )
    if not all(allowed):
        raise NotYoursToGiveError
    return NewApiKey(
        name=wanted.name,
        prefix=prefix,
        hash=hash,
        role=wanted.role,
        scopes=[scope for scope in Scope if scope in scopes],
        channels=channels,
        granted=maker.is_admin or (parent.channels is not None and parent.granted),
        queues=queues,
        expires_at=wanted.expires_at or parent.expires_at,
        parent_id=None if maker.key is None else maker.key.id,
    )


def _is_within(wanted: Collection[str] | None, allowed: Collection[str] | None) -> bool:
    """Whether all that is wanted is allowed. None: no limit."""
    return wanted is None or allowed is None or set(wanted) <= set(allowed)
