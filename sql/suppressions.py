"""Suppressions: the addresses that take no more mail of a user. `None` for a user is the operator."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from sql.database import Noun
from tidings.domain.ids import new_id
from tidings.domain.suppression import MAX_DETAIL, Suppression, SuppressionReason

CANCELLED_AT_ONCE: Final = 1000
"""Messages in one statement, so that no row is locked for long."""


class SuppressionStore(Noun):
    """The lists of all users. An address is one as `same_address` returns it."""

    async def among(self, user_id: UUID | None, addresses: Sequence[str]) -> Mapping[str, Suppression]:
        """Those of the addresses that take no more mail of the user, by address."""
        rows = await self.database.rows("find_suppressions", user_id=user_id, addresses=addresses)
        return {row["address"]: _suppression(row) for row in rows}

    async def put(
        self,
        user_id: UUID | None,
        addresses: Mapping[str, str | None],
        reason: SuppressionReason,
        *,
        message_id: UUID | None = None,
    ) -> set[str]:
        """Puts addresses, each with a detail, on the user's list, and cancels the mail that waits for them.

        Returns those that were not on it; the others stay as they were. After a crash in between, the same again
        cancels the rest.
        """
        rows = await self.database.rows(
            "suppress",
            user_id=user_id,
            id=[new_id() for _ in addresses],
            address=list(addresses),
            detail=[None if detail is None else detail[:MAX_DETAIL] for detail in addresses.values()],
            reason=reason,
            message_id=message_id,
        )
        cancelled = CANCELLED_AT_ONCE
        while cancelled == CANCELLED_AT_ONCE:
            cancelled = await self.database.one(
                "cancel_suppressed", user_id=user_id, addresses=list(addresses), limit=CANCELLED_AT_ONCE
            )
        return {row["address"] for row in rows}

    async def list(
        self,
        user_id: UUID | None,
        *,
        address: str | None = None,
        reason: SuppressionReason | None = None,
        before: UUID | None = None,
        limit: int,
    ) -> Sequence[Suppression]:
        """Up to `limit` of one user's, or of everybody's for None, older than `before`, the newest first."""
        wanted: dict[str, Any] = {"address": address, "reason": reason, "before": before, "limit": limit}
        if user_id is None:
            rows = await self.database.rows("list_suppressions", **wanted)
        else:
            rows = await self.database.rows("list_user_suppressions", user_id=user_id, **wanted)
        return [_suppression(row) for row in rows]

    async def lift(self, suppression_id: UUID, user_id: UUID | None) -> Suppression | None:
        """Takes one off the list, where it is this user's or for None anybody's; None where there is none."""
        row = await self.database.one("lift_suppression", id=suppression_id, user_id=user_id)
        return None if row is None else _suppression(row)


def _suppression(row: Any) -> Suppression:
    return msgspec.structs.replace(Suppression(**row), reason=SuppressionReason(row["reason"]))
