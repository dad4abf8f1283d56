"""Holds: endpoints to which nothing goes until somebody releases them, and the count of messages that are held."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from sql.database import Noun
from tidings.domain.message import Hold
from tidings.domain.states import HeldReason
from tidings.observability.reports import Held

HOLDS_KNOWN: Final = 10_000
"""The newest ones, for consumers; an endpoint that is held for longer is found again by its answer."""
COUNTED_UP_TO: Final = 100_000
"""Of the messages that a reason holds."""
WOKEN_AT_ONCE: Final = 5_000
WOKEN_SECONDS: Final = 5.0
"""When the messages of a hold that was released are due: later than any consumer needs to know of the release."""

_COLUMNS: Final = ("id", "channel", "endpoint", "user_id", "reason", "last_error")


class HoldStore(Noun):
    """The holds."""

    async def put(self, holds: Sequence[Hold]) -> None:
        """Keeps holds in one commit; one that is there already stays as it is."""
        await self.database.one("put_holds", **{name: [getattr(hold, name) for hold in holds] for name in _COLUMNS})

    async def list(
        self, user_id: UUID | None = None, *, channels: Sequence[str] | None = None, limit: int = HOLDS_KNOWN
    ) -> Sequence[Hold]:
        """Of one user or of all, of some channels or of all: those that concern everybody first, then the newest."""
        rows = await self.database.rows("list_holds", user_id=user_id, channels=channels, limit=limit)
        return [_hold(row) for row in rows]

    async def release(
        self, hold_id: UUID, user_id: UUID | None, *, channels: Sequence[str] | None = None
    ) -> Hold | None:
        """Ends a hold, where it is this user's or for None anybody's; returns it, or None where there is none.

        `channels` are those of which it may be; None: all.
        """
        row = await self.database.one("release_hold", id=hold_id, user_id=user_id, channels=channels)
        return None if row is None else _hold(row)

    async def wake(self, hold: Hold) -> int:
        """Makes up to `WOKEN_AT_ONCE` messages due that waited for a hold; returns the count.

        Those of the user's other held endpoints too, since endpoints are no column: they are sent back again.
        """
        count: int = await self.database.one(
            "wake_held",
            channel=hold.channel,
            user_id=hold.user_id,
            reason=hold.reason,
            seconds=WOKEN_SECONDS,
            limit=WOKEN_AT_ONCE,
        )
        return count

    async def held(self) -> Sequence[Held]:
        """How many messages are held, by reason."""
        rows = await self.database.rows("count_held", reasons=list(HeldReason), limit=COUNTED_UP_TO)
        return [Held(HeldReason(row["reason"]), row["messages"], row["seconds"]) for row in rows]


def _hold(row: Any) -> Hold:
    return msgspec.structs.replace(Hold(**row), reason=HeldReason(row["reason"]))
