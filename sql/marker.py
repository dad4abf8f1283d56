"""The marker: one row that says which Postgres this is, and how far it has come."""

from datetime import datetime
from uuid import UUID

import msgspec

from sql.changes import Place
from sql.database import Noun


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """As it was written last, and what it would say now."""

    installation: UUID
    number: int
    """One more with each write."""
    identity: str | None
    timeline: str | None
    paused_why: str | None
    age: float | None
    """Seconds since it was written, by the server's clock."""
    present_identity: str
    present_timeline: str | None

    @property
    def promoted(self) -> bool:
        """Whether the server has come to another timeline since."""
        return None not in (self.timeline, self.present_timeline) and self.timeline != self.present_timeline


class Paused(msgspec.Struct, frozen=True):
    """Since when nothing is claimed, and why."""

    since: datetime
    why: str


class MarkerStore(Noun):
    """The store as a producer sees it that asks whether it is the same as before, and as those see it who resume."""

    async def lock(self) -> Marker:
        """The marker; in `Database.together` nobody else writes it before the end of that."""
        row = await self.database.one("lock_marker")
        if row is None:
            await self.database.one("add_marker")
            row = await self.database.one("lock_marker")
        return Marker(**row)

    async def write(self, number: int, *, changed: bool, paused_why: str | None) -> None:
        """Goes on with the marker, from now on with this server's identity."""
        await self.database.one("write_marker", number=number, changed=changed, paused_why=paused_why)

    async def paused(self) -> Paused | None:
        """Why nothing is claimed; None where it is."""
        row = await self.database.one("paused")
        return None if row is None else Paused(row["paused_at"], row["paused_why"])

    async def resume(self) -> bool:
        """Lets claims go on; returns whether they were paused."""
        resumed: bool = await self.database.one("resume")
        return resumed

    async def overdue(self, before: datetime, after: Place, *, most: int) -> tuple[dict[UUID, datetime], Place | None]:
        """Which of the next waiting messages were due before a moment, and when; where to go on, if not through."""
        row = await self.database.one(
            "overdue_next",
            due_before=before,
            **{f"after_{name}": value for name, value in after._asdict().items()},
            most=most,
        )
        through = row["read"] < most
        overdue = dict(zip(row["ids"], row["due_ats"], strict=True))
        return overdue, None if through else Place(*(row[name] for name in Place._fields))

    async def processing(self, *, most: int) -> int:
        """How many messages are in batches, counted up to a limit."""
        count: int = await self.database.one("count_processing", most=most)
        return count

    async def cancel(self, ids: list[UUID]) -> int:
        """Cancels those of these messages that wait; returns the count."""
        count: int = await self.database.one("cancel_these", ids=ids)
        return count
