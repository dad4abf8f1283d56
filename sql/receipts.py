"""Receipts: what came back about messages that were sent, from gateways, mail servers and receivers.

They are kept beside the status of their messages, in groups. A gateway names a message by its own id, which is known
only once the outcome is recorded: what comes before that is an *early receipt*, in a table of its own, until the
producer that leads joins it with its message or drops it. A crash loses nothing that was committed, and each of these
statements may be repeated: a receipt that is there already changes nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from sql.database import Noun
from tidings.domain.states import Receipt
from tidings.domain.timestamps import utc_now

RECENT: Final = timedelta(days=8)
"""Messages made since then are found at once: one or two partitions are looked into."""
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

MOST_OF_AN_EVENT: Final = 200
"""Each has a secret to compare with."""


class NewReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What came back about one message: named by its id, or by a gateway and that one's own id for it."""

    message_id: UUID | None = None
    owner: UUID | None = None
    """Whose gateway it is; None: the operator's, by which messages of all users go."""
    gateway: str | None = None
    provider_message_id: str | None = None
    receipt: Receipt
    detail: str | None = None


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that a receiver may speak of."""

    id: UUID
    user_id: UUID | None
    endpoint_id: UUID | None


class Kept(StrEnum):
    """What became of a receipt."""

    CHANGED = "changed"
    """It is the message's receipt now."""
    KNOWN = "known"
    """Its message has the same one, or one that says more."""
    EARLY = "early"
    """No such message is known yet."""


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A round over the early receipts."""

    looked_at: int
    joined: int
    changed: int


class ReceiptStore(Noun):
    """The receipts of all messages."""

    async def record(self, receipts: Sequence[NewReceipt]) -> list[Kept]:
        """Keeps all in one commit; returns what became of each.

        Of one that names a message by its id, the message must be there.
        """
        row = await self.database.one(
            "record_receipts",
            message_ids=[each.message_id for each in receipts],
            owners=[each.owner for each in receipts],
            gateways=[each.gateway for each in receipts],
            provider_message_ids=[each.provider_message_id for each in receipts],
            receipts=[each.receipt for each in receipts],
            details=[each.detail for each in receipts],
            since=utc_now() - RECENT,
        )
        changed = set(row["changed"])
        kept = []
        for found in row["found"]:
            if found in changed:
                changed.discard(found)  # the same message twice in a group has changed once
                kept.append(Kept.CHANGED)
            else:
                kept.append(Kept.EARLY if found is None else Kept.KNOWN)
        return kept

    async def webhooks(self, webhook_id: UUID) -> list[Webhook]:
        """Those that were sent under a `webhook-id`; of an event, up to `MOST_OF_AN_EVENT`."""
        rows = await self.database.rows("find_webhooks", id=webhook_id, most=MOST_OF_AN_EVENT)
        return [Webhook(**row) for row in rows]

    async def join(self, *, limit: int) -> Joined:
        """Joins early receipts that are due with their messages, up to `limit` of them."""
        return Joined(**await self.database.one("join_receipts", limit=limit, since=EVER))

    async def forget(self, before: datetime, *, most: int) -> int:
        """Drops early receipts from before then, those of deleted users, and the oldest of a gateway with too many."""
        count: int = await self.database.one("forget_receipts", before=before, most=most)
        return count
