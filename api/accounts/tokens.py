"""Bearer tokens: JWTs (RFC 7519), HS256 and nothing else, good for 12 hours.

Claims: `sub` the user, `iat`, `exp`, `jti` the session that the token is good for, and `ver`, the version of the user's
tokens, which a new password counts up. A reader compares that with the user's own; tokens are not stored. Times are by
Postgres's clock, which all API processes share.
"""

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import jwt
import msgspec

from tidings.domain.account import User
from tidings.domain.addresses import is_loopback
from tidings.domain.clock import CLOCK
from tidings.domain.errors import SettingsError
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

ALGORITHM: Final = "HS256"
LIFE: Final = timedelta(hours=12)
CLOCK_SKEW: Final = 10.0
"""Seconds by how much two API processes may differ in their reading of Postgres's clock."""


def end_of_token() -> datetime:
    """When a token ends that is issued now."""
    return utc_now().replace(microsecond=0) + LIFE


class Claims(msgspec.Struct, frozen=True):
    user_id: UUID
    version: int
    session_id: UUID | None = None
    """None: a token from before there were sessions, which ends with its time or a new password."""


class Tokens:
    """Makes tokens and reads them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def key_for(self, purpose: bytes) -> bytes:
        """Another key, made of this one, for what else is signed."""
        return hmac.digest(self._key, purpose, "sha256")

    def issue(self, user: User, session_id: UUID, expires_at: datetime) -> str:
        """A token for a session of the user's."""
        claims = {
            "sub": str(user.id),
            "iat": expires_at - LIFE,
            "exp": expires_at,
            "ver": user.token_version,
            "jti": str(session_id),
        }
        return jwt.encode(claims, self._key, ALGORITHM)

    def read(self, token: str) -> Claims | None:
        """The claims of a token; None for one that is foreign, changed or expired."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                # By the machine's clock, these two would be.
                options={"require": ["sub", "iat", "exp", "ver"], "verify_exp": False, "verify_iat": False},
            )
            issued_at, expires_at = (msgspec.convert(claims[name], int) for name in ("iat", "exp"))
            if not issued_at - CLOCK_SKEW <= CLOCK.seconds() < expires_at + CLOCK_SKEW:
                return None
            said = {"user_id": claims["sub"], "version": claims["ver"], "session_id": claims.get("jti")}
            return msgspec.convert(said, Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError):
            return None


def signing_key(settings: Settings) -> bytes:
    """`SECRET_KEY`. Raises SettingsError where it is needed and not set.

    On loopback it may be left out: then the key comes of `SECRET_KEYS`, so that tokens outlive a restart, and where
    there are none either it is new at each start.
    """
    if settings.secret_key:
        return settings.secret_key.encode()
    if not is_loopback(settings.host):
        raise SettingsError(f"SECRET_KEY: must be set, as HOST {settings.host} is open to other machines")
    if settings.secret_keys:
        return hmac.digest(settings.secret_keys[0].encode(), b"tidings: bearer tokens", "sha256")
    return secrets.token_bytes(32)
