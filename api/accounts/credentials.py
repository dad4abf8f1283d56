"""Whom a bearer token or an API key speaks for.

State: four small caches, so that a request costs no round trip for knowing who asks: keys by their prefix, sessions and
users by their id, and whether there are accounts at all. A change takes effect here at once where this process made
it, and within `LIFE_SECONDS` where another one did.
"""

import time
from collections.abc import Callable, Collection
from typing import Final
from uuid import UUID

from api.accounts.api_keys import is_key, prefix_of
from api.accounts.last_use import LastUse
from api.accounts.recent import Recent
from api.accounts.tokens import Tokens
from api.http.principal import Principal, usable_channels
from sql.store import Store
from tidings.domain.account import Role, User
from tidings.domain.api_key import ALL_SCOPES, ApiKey
from tidings.domain.session import Session
from tidings.domain.timestamps import utc_now

LIFE_SECONDS: Final = 5.0
NOBODY_LIFE_SECONDS: Final = 1.0
MOST: Final = 10_000
LONGEST: Final = 512
"""Letters of a credential; tokens have 200, keys 64. What is read of a token before its signature is checked is JSON,
whose depth is bounded by that."""


class Credentials:
    """Reads credentials: a bearer token or an API key."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        last_use: LastUse,
        sessions_use: LastUse,
        *,
        default_channels: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._last_use = last_use
        self._sessions_use = sessions_use
        self._default_channels = default_channels
        self._users: Recent[UUID, User] = Recent(life=LIFE_SECONDS, most=MOST, clock=clock)
        self._keys: Recent[str, ApiKey] = Recent(life=LIFE_SECONDS, most=MOST, clock=clock)
        self._sessions: Recent[UUID, Session] = Recent(life=LIFE_SECONDS, most=MOST, clock=clock)
        self._nobody: Recent[None, bool] = Recent(life=NOBODY_LIFE_SECONDS, most=1, clock=clock)
        self._somebody = False

    async def principal(self, credential: str) -> Principal | None:
        """Whom the token or key speaks for; None where it is not good (any more)."""
        if len(credential) > LONGEST or not credential.isascii():
            return None
        prefix = prefix_of(credential)
        return await (self._by_token(credential) if prefix is None else self._by_key(credential, prefix))

    async def anybody(self) -> bool:
        """Whether there are accounts; then a request without a credential is not the operator's."""
        if not self._somebody and not self._nobody.get(None):
            self._somebody = await self._store.users.any()
            self._nobody.put(None, not self._somebody)
        return self._somebody

    def joined(self) -> None:
        """There is an account now."""
        self._somebody = True

    def forget_user(self, user_id: UUID) -> None:
        """The user was changed."""
        self._users.forget(user_id)

    def forget_key(self, key: ApiKey) -> None:
        """The key has ended."""
        self._keys.forget(key.prefix)

    def forget_keys_of(self, user_id: UUID) -> None:
        """All keys of the user were revoked."""
        for prefix, key in self._keys.remembered():
            if key.user_id == user_id:
                self._keys.forget(prefix)

    def forget_session(self, session_id: UUID) -> None:
        """The session has ended."""
        self._sessions.forget(session_id)

    async def _by_token(self, token: str) -> Principal | None:
        claims = self._tokens.read(token)
        user = await self._users.get_or(claims.user_id, self._store.users.get) if claims else None
        if claims is None or user is None or claims.version != user.token_version:
            return None
        if claims.session_id is not None:
            session = await self._sessions.get_or(claims.session_id, self._store.sessions.find)
            if session is None or session.user_id != user.id:
                return None
            self._sessions_use.record(session.id)
        return self._acting_for(user, session_id=claims.session_id)

    async def _by_key(self, text: str, prefix: str) -> Principal | None:
        key = await self._keys.get_or(prefix, self._store.api_keys.find)
        if key is None or not is_key(text, key.hash) or (key.expires_at is not None and key.expires_at <= utc_now()):
            return None
        user = await self._users.get_or(key.user_id, self._store.users.get)
        if user is None:
            return None
        self._last_use.record(key.id)
        return self._acting_for(user, key)

    def _acting_for(self, user: User, key: ApiKey | None = None, session_id: UUID | None = None) -> Principal | None:
        if user.disabled_at is not None:
            return None
        channels = usable_channels(user, self._default_channels, key)
        of_a_user = key is not None and key.role is Role.USER
        return Principal(
            user_id=user.id,
            role=Role.USER if of_a_user else user.role,
            channels=channels,
            prioritizes=user.may_prioritize,
            scopes=ALL_SCOPES if key is None else key.scopes,
            key=key,
            session_id=session_id,
        )
