"""Sessions: begun by a login, ended by a logout. A new password, however it is set, ends those of its user."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sql.database import Noun
from tidings.domain.ids import new_id
from tidings.domain.session import Session

FORGOTTEN_AT_ONCE: Final = 10_000
MAX_ADDRESS: Final = 100
MAX_CLIENT: Final = 200


class SessionStore(Noun):
    """The side of the store that keeps sessions."""

    async def begin(
        self,
        user_id: UUID,
        *,
        token_version: int,
        expires_at: datetime,
        address: str | None,
        client: str | None,
        most: int,
    ) -> UUID | None:
        """Keeps a new session, and ends the user's oldest beyond `most`.

        None where the user's tokens have another version by now: the password was changed.
        """
        session_id: UUID | None = await self.database.one(
            "begin_session",
            id=new_id(),
            user_id=user_id,
            token_version=token_version,
            expires_at=expires_at,
            address=address and address[:MAX_ADDRESS],
            client=client and client.replace("\0", "")[:MAX_CLIENT],
            kept=most - 1,
        )
        return session_id

    async def find(self, session_id: UUID) -> Session | None:
        """The session; None where it has ended."""
        row = await self.database.one("find_session", id=session_id)
        return None if row is None else Session(**row)

    async def page(self, user_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Session]:
        """Up to `limit` of a user's that are older than `before`, the newest first."""
        rows = await self.database.rows("list_sessions", user_id=user_id, before=before, limit=limit)
        return [Session(**row) for row in rows]

    async def end(self, user_id: UUID, session_id: UUID) -> Session | None:
        """Ends a session of the user's and returns it; None where there is none."""
        row = await self.database.one("end_session", id=session_id, user_id=user_id)
        return None if row is None else Session(**row)

    async def end_all(self, user_id: UUID) -> int:
        """Ends all of a user's, and makes every bearer token void; returns how many there were."""
        count: int | None = await self.database.one("end_sessions", user_id=user_id)
        return count or 0

    async def touch(self, session_ids: Sequence[UUID]) -> None:
        """Records that these sessions were used, to the minute."""
        await self.database.one("touch_sessions", ids=session_ids)

    async def forget(self) -> None:
        """Forgets those whose time is over."""
        while await self.database.one("forget_sessions", limit=FORGOTTEN_AT_ONCE) == FORGOTTEN_AT_ONCE:
            pass
