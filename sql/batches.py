"""Batches: claimed by the producer, taken by a consumer, closed by their outcomes or reclaimed after its death."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from sql import maintenance
from sql.database import Database
from sql.low_water import BOTTOM, ClaimLane, LowWater, Mark
from sql.messages import kept_mail, retry_delays
from tidings.domain.mail_parts import KeptMail
from tidings.domain.message import Delivery, Outcome


class Offer(msgspec.Struct, frozen=True):
    """Where a batch may go: the id that it will have, and the consumer that has room for it."""

    batch_id: UUID
    consumer: str


class ClaimedBatch(msgspec.Struct, frozen=True):
    """A batch that was made, and must reach its consumer."""

    id: UUID
    size: int
    quarantined: bool
    """Holds one message that was lost with its consumer more than once; nothing of its kind may run beside it."""


class Tick(msgspec.Struct, frozen=True):
    """What a paced queue may take now."""

    name: str
    allowance: int | None
    began_at: datetime
    cutoff: datetime | None


class Expired(msgspec.Struct, frozen=True):
    """The batches whose lease had run out when the server was asked."""

    seen_at: datetime
    server_started_at: datetime
    ids: list[UUID]


class Reclaimed(msgspec.Struct, frozen=True):
    """How many batches came back, and what became of their messages."""

    batches: int = 0
    released: int = 0
    recovered: int = 0
    poisoned: int = 0


PICKUP_SHARE: Final = 0.3
"""Share of a lease within which a claimed batch must be taken. Its consumer had room for it, so milliseconds are the
rule; a batch that a dying producer did not push comes back the sooner."""


_OUTCOME: Final = (
    "message_id", "batch_id", "status", "tries", "due_at", "provider_message_id", "sent_at", "cancel_reason",
    "last_error", "unanswered",
)  # fmt: skip
_ATTEMPT: Final = ("started_at", "duration", "outcome", "status_code", "error", "answer")


class BatchStore:
    """The batches. `lease` is how long a batch stays with a consumer that gives no sign of life."""

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self.database = database
        self.lease = lease

    # The producer's side

    async def claim(
        self,
        claim_lanes: Sequence[ClaimLane],
        offers: Sequence[Offer],
        *,
        batch_size: int,
        low_water: LowWater | None = None,
    ) -> list[ClaimedBatch]:
        """Takes due messages of the claim lanes (served in this order) into at most one batch per offer."""
        marks = [BOTTOM] * len(claim_lanes) if low_water is None else low_water.begin(claim_lanes)
        rows = await self.database.rows("claim", **self._claim_parameters(claim_lanes, marks, offers, batch_size))
        if low_water is not None:
            low_water.end(claim_lanes, _reached(rows[0]) if rows else [None] * len(claim_lanes))
        return [_claimed(row) for row in rows]

    async def claim_paced(self, offers: Sequence[Offer], *, batch_size: int) -> list[ClaimedBatch]:
        """Takes what the paced queues may release now, each queue's messages in batches of their own.

        One transaction: the rows of the queues are locked, so two producers never spend the same allowance.
        """
        claimed: list[ClaimedBatch] = []
        free = list(offers)
        queries = self.database.queries
        async with self.database.transaction() as connection:
            for row in [row async for row in queries.paced_ticks(connection)]:
                if not free:
                    break
                tick = Tick(**row)
                claim_lanes = [(priority, tick.name) for priority in range(3)]
                parameters = self._claim_parameters(claim_lanes, [BOTTOM] * len(claim_lanes), free, batch_size)
                parameters["cutoff"] = tick.cutoff
                if tick.allowance is not None:
                    parameters["room"] = min(parameters["room"], tick.allowance)
                batches = [_claimed(made) async for made in queries.claim(connection, **parameters)]
                if taken := sum(batch.size for batch in batches):
                    credit = None if tick.allowance is None else tick.allowance - taken
                    await queries.spend_tick(connection, name=tick.name, began_at=tick.began_at, credit=credit)
                used = {batch.id for batch in batches}
                free = [offer for offer in free if offer.batch_id not in used]
                claimed += batches
        return claimed

    async def next_due(self, low_water: LowWater | None = None) -> float | None:
        """Seconds until a message can next be claimed (0 or less: now); None where none is waiting."""
        marks = {} if low_water is None else low_water.marks()
        seconds: float | None = await self.database.one(
            "next_due",
            priorities=[priority for priority, _ in marks],
            queues=[queue for _, queue in marks],
            **_marks(list(marks.values())),
        )
        return seconds

    async def release(self, ids: Sequence[UUID]) -> int:
        """Gives back batches that nobody started, as if they had not been claimed; returns the count of messages."""
        count: int = await self.database.one("release", ids=ids)
        return count

    # The consumer's side

    async def unstarted(self, consumer: str) -> list[UUID]:
        """The batches that are on their way to a consumer."""
        return [row["id"] for row in await self.database.rows("unstarted_batches", consumer=consumer)]

    async def take(self, batch_id: UUID, *, consumer: str) -> list[Delivery]:
        """Starts a batch, once. Empty where it is another consumer's, was started before, or is gone."""
        rows = await self.database.rows("take", id=batch_id, consumer=consumer, lease=self.lease)
        return [_delivery(row) for row in rows]

    async def mails(self, ids: Sequence[UUID]) -> dict[UUID, KeptMail]:
        """What is kept beside these mails, with the contents of their attachments."""
        rows = await self.database.rows("find_mails", ids=ids)
        return {row["message_id"]: kept_mail(row, row["files"]) for row in rows}

    async def renew(self, ids: Sequence[UUID]) -> set[UUID]:
        """Extends leases; a batch that is not among the returned ones is lost."""
        return {row["id"] for row in await self.database.rows("renew", ids=ids, lease=self.lease)}

    async def record(self, outcomes: Sequence[Outcome], *, closed: Sequence[UUID], consumer: str) -> set[UUID]:
        """Writes outcomes and their attempts, and closes batches, in one commit; returns the ids that were still ours.

        May be repeated after the answer was lost: nothing is written twice.
        """
        if partial := [outcome for outcome in outcomes if outcome.remaining is not None]:
            await self.database.one(
                "keep_remaining",
                message_ids=[outcome.message_id for outcome in partial],
                batch_ids=[outcome.batch_id for outcome in partial],
                remaining=[msgspec.json.encode(outcome.remaining).decode() for outcome in partial],
            )
        attempts = [o.attempt for o in outcomes]
        [row] = await maintenance.insert(
            self.database,
            "record_outcomes",
            [a.started_at for a in attempts if a is not None],
            **{name: [getattr(outcome, name) for outcome in outcomes] for name in _OUTCOME},
            **{name: [None if a is None else getattr(a, name) for a in attempts] for name in _ATTEMPT},
            consumer=consumer,
            closed_batch_ids=list(closed),
        )
        return set(row["ids"])

    # The reconciler's side

    async def expired(self, *, limit: int) -> Expired:
        """The batches whose lease ran out, with the server's own clock."""
        return Expired(**await self.database.one("expired_batches", limit=limit))

    async def reclaim(self, expired: Expired, *, max_age: timedelta, recoveries_allowed: int) -> Reclaimed:
        """Takes expired batches back, unless the server was stalled for `max_age` since they were seen."""
        row = await self.database.one(
            "reclaim",
            ids=expired.ids,
            seen_at=expired.seen_at,
            max_age=max_age,
            recoveries_allowed=recoveries_allowed,
        )
        return Reclaimed(**row)

    async def heal_orphans(self, *, recoveries_allowed: int) -> int:
        """Brings back messages in processing whose batch is gone; returns the count."""
        count: int = await self.database.one("heal_orphans", recoveries_allowed=recoveries_allowed)
        return count

    def _claim_parameters(
        self, claim_lanes: Sequence[ClaimLane], marks: Sequence[Mark], offers: Sequence[Offer], batch_size: int
    ) -> dict[str, Any]:
        return {
            "priorities": [priority for priority, _ in claim_lanes],
            "queues": [queue for _, queue in claim_lanes],
            **_marks(marks),
            "cutoff": None,
            "room": batch_size * len(offers),
            "batch_size": batch_size,
            "batch_ids": [offer.batch_id for offer in offers],
            "consumers": [offer.consumer for offer in offers],
            "lease": PICKUP_SHARE * self.lease,
        }


def _marks(marks: Sequence[Mark]) -> dict[str, Any]:
    return {"mark_due_ats": [due_at for due_at, _ in marks], "mark_ids": [message_id for _, message_id in marks]}


def _reached(row: Any) -> list[Mark | None]:
    marks = zip(row["reached_due_ats"], row["reached_ids"], strict=True)
    return [None if due_at is None else (due_at, message_id) for due_at, message_id in marks]


def _claimed(row: Any) -> ClaimedBatch:
    return ClaimedBatch(row["id"], row["size"], row["quarantined"])


def _delivery(row: Any) -> Delivery:
    headers, delays = row["headers"], row["retry_delays"]
    if headers is None and delays is None:
        return Delivery(**row)
    headers = None if headers is None else msgspec.json.decode(headers, type=dict[str, str])
    return Delivery(**{**row, "headers": headers, "retry_delays": retry_delays(delays)})
