"""Quotas: the limits that admins have given users, and what users have used."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from sql.database import Noun
from tidings.domain.quota import MOST, Quota, QuotaChange, Use


class QuotaStore(Noun):
    """Limits of users, and what their messages come to."""

    async def get(self, user_id: UUID) -> QuotaChange:
        """What an admin has given the user; nothing, for an unknown one."""
        row = await self.database.one("get_quota", user_id=user_id)
        return QuotaChange() if row is None else QuotaChange(**row)

    async def put(self, user_id: UUID, quota: QuotaChange) -> bool:
        """Replaces what a user was given. Returns whether there is such a user."""
        found = await self.database.one("set_quota", user_id=user_id, **msgspec.structs.asdict(quota))
        return found is not None

    async def count(self, quotas: Mapping[UUID, Quota]) -> dict[UUID, Use]:
        """What these users have used; each count ends where it is over their limit."""
        rows = await self.database.rows(
            "count_use",
            user_ids=list(quotas),
            per_day=[min(quota.per_day + 1, MOST) if quota.per_day else 0 for quota in quotas.values()],
            waiting=[_counted(quota) for quota in quotas.values()],
        )
        return {
            row["user_id"]: Use(
                per_day=row["per_day"],
                waiting=row["waiting"],
                waiting_bytes=row["waiting_bytes"],
                day_began=row["day_began"],
            )
            for row in rows
        }


def _counted(quota: Quota) -> int:
    if quota.waiting:
        return min(quota.waiting + 1, MOST)
    return MOST if quota.waiting_bytes else 0
