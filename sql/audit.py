"""The audit log: written with the change that an entry is about, read by admins and by whom it concerns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from sql.database import Noun
from tidings.domain.audit import Action, Actor, AuditEntry

FORGOTTEN_AT_ONCE: Final = 10_000


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries a list shows; None leaves a field open."""

    user_id: UUID | None = None
    """What this user did, and what others did to theirs."""
    action: Action | None = None
    subject: str | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None


class AuditStore(Noun):
    """The side of the store that keeps the audit log."""

    async def put(self, entry: AuditEntry) -> None:
        """Keeps an entry; one that is there already gets the new detail."""
        values = {**msgspec.structs.asdict(entry), "detail": msgspec.json.encode(entry.detail).decode()}
        await self.database.one("put_audit", **values)

    async def list(self, wanted: AuditFilter, *, before: UUID | None, limit: int) -> Sequence[AuditEntry]:
        """Up to `limit` entries older than `before`, the newest first."""
        parameters = {**msgspec.structs.asdict(wanted), "before": before, "limit": limit}
        if wanted.user_id is None:
            del parameters["user_id"]
        rows = await self.database.rows("list_audit" if wanted.user_id is None else "list_user_audit", **parameters)
        return [_entry(row) for row in rows]

    async def forget(self, moment: datetime) -> None:
        """Forgets the entries older than the moment."""
        while await self.database.one("forget_audit", moment=moment, limit=FORGOTTEN_AT_ONCE) == FORGOTTEN_AT_ONCE:
            pass


def _entry(row: Any) -> AuditEntry:
    values: dict[str, Any] = dict(row)
    values["actor"] = Actor(row["actor"])
    values["action"] = Action(row["action"])
    values["detail"] = msgspec.json.decode(row["detail"])
    return AuditEntry(**values)
