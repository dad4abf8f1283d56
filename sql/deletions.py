"""Deletions of accounts: each is a job whose progress is a row, so that a crash loses nothing and repeats little."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import msgspec

from sql.database import Noun
from sql.users import refusal

MESSAGES_AT_ONCE: Final = 500
"""In one statement, with what is kept beside them: tens of milliseconds."""
ROWS_AT_ONCE: Final = 5_000
SETTLED: Final = timedelta(seconds=15)
"""When every API process has heard that a user can do nothing any more, and what it had begun is over."""


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """How far the deletion of an account is."""

    id: UUID
    requested_at: datetime
    cancelled: int
    """Messages that waited."""
    erased: int
    """Messages of which nothing personal is left, those among them."""
    finished_at: datetime | None


class DeletionStore(Noun):
    """The deletions."""

    async def request(self, user_id: UUID) -> Deletion | None:
        """Ends all that a user can do, and begins the deletion; the one there is, where it was asked for before.

        None where there is no such user. Raises LastAdminError.
        """
        for _ in range(2):
            # Once more where another request for the same user came in between. Who knows the id sees how far it is, so
            # it is one that cannot be guessed.
            try:
                row = await self.database.one("request_deletion", id=uuid4(), user_id=user_id)
            except asyncpg.CheckViolationError as error:
                raise refusal(error) from error
            if row is not None:
                return Deletion(**row)
        return None

    async def get(self, deletion_id: UUID) -> Deletion | None:
        """None where there is none of this id."""
        row = await self.database.one("get_deletion", id=deletion_id)
        return None if row is None else Deletion(**row)

    async def open(self, *, limit: int) -> Sequence[UUID]:
        """Those that are not through, the oldest first."""
        return [row["id"] for row in await self.database.rows("open_deletions", limit=limit)]

    async def go_on(self, deletion_id: UUID, *, settled: timedelta = SETTLED) -> bool:
        """Does what can be done now, piece by piece; returns whether the deletion is through.

        It is not while a message is on its way, or one could still come.
        """
        while await self.database.one("erase_messages", id=deletion_id, limit=MESSAGES_AT_ONCE):
            pass
        if await self.database.one("repeat_pass", id=deletion_id, settled=settled):
            return False
        if await self.database.one("erase_account_mails", id=deletion_id):
            return False
        while await self.database.one("erase_beside", id=deletion_id, limit=ROWS_AT_ONCE):
            pass
        await self.database.one("finish_deletion", id=deletion_id)
        return True

    async def forget(self, moment: datetime) -> None:
        """Forgets those that were finished before."""
        await self.database.one("forget_deletions", moment=moment)
