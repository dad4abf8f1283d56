"""Sessions: a login begins one, and its token is good for as long as it lasts.

A logout takes effect here at once, and in other processes within `LIFE_SECONDS` of `api.accounts.credentials`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from api.accounts.credentials import Credentials
from api.accounts.errors import NoSuchSessionError, WrongCredentialsError
from api.accounts.tokens import Tokens, end_of_token
from sql.sessions import SessionStore
from tidings.domain.account import User
from tidings.domain.session import Session

MOST_SESSIONS: Final = 10_000
"""Of one user: more than `LOGINS_PER_EMAIL` lets begin in the life of a token. Beyond that the oldest end."""


class Sessions:
    """The sessions of all users."""

    def __init__(self, store: SessionStore, tokens: Tokens, credentials: Credentials) -> None:
        self._store = store
        self._tokens = tokens
        self._credentials = credentials

    async def begin(self, user: User, *, address: str | None, client: str | None) -> tuple[str, datetime]:
        """A session for a user whose password was right: its token, and when it ends.

        Raises WrongCredentialsError where the password was changed meanwhile.
        """
        expires_at = end_of_token()
        session_id = await self._store.begin(
            user.id,
            token_version=user.token_version,
            expires_at=expires_at,
            address=address,
            client=client,
            most=MOST_SESSIONS,
        )
        if session_id is None:
            raise WrongCredentialsError
        return self._tokens.issue(user, session_id, expires_at), expires_at

    async def page(self, user_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Session]:
        """Up to `limit` of a user's that are older than `before`, the newest first."""
        return await self._store.page(user_id, before=before, limit=limit)

    async def end(self, user_id: UUID, session_id: UUID) -> Session:
        """Ends one of a user's. Raises NoSuchSessionError."""
        ended = await self._store.end(user_id, session_id)
        self._credentials.forget_session(session_id)
        if ended is None:
            raise NoSuchSessionError
        return ended

    async def end_all(self, user_id: UUID) -> int:
        """Ends all of a user's; returns how many there were."""
        count = await self._store.end_all(user_id)
        self._credentials.forget_user(user_id)
        return count

    async def end_of(self, token: str) -> Session | None:
        """Ends the session of a token; None where there is none (any more)."""
        claims = self._tokens.read(token) if token.isascii() else None
        if claims is None or claims.session_id is None:
            return None
        ended = await self._store.end(claims.user_id, claims.session_id)
        self._credentials.forget_session(claims.session_id)
        return ended
