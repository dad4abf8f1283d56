"""Batches: claimed by the producer, taken by a consumer, closed by their outcomes or reclaimed after its death."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import msgspec

from sql import maintenance
from sql.database import Database
from sql.low_water import Asked, ClaimLane, LowWater, Mark, Taken, Waiting
from sql.messages import kept_mail
from sql.rows import retry_delays
from tidings.domain.errors import TidingsError
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


class UnvouchedError(TidingsError):
    """Nothing may be claimed until a producer has seen that this is the database which it was (producer/guard.py)."""


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

BATCH_BYTES: Final = 4 * 2**20
"""Content in a batch, unless it is one message alone: a consumer has all of its batches in memory."""
_FEW: Final = 0.1


_OUTCOME: Final = (
    "message_id", "batch_id", "status", "tries", "due_at", "provider_message_id", "sent_at", "cancel_reason",
    "last_error", "unanswered", "held_reason", "gateway",
)  # fmt: skip
_ATTEMPT: Final = ("started_at", "duration", "outcome", "status_code", "error", "answer")
_NO_ATTEMPT: Final[Any] = SimpleNamespace(**dict.fromkeys(_ATTEMPT))


class BatchStore:
    """The batches. `lease` is how long a batch stays with a consumer that gives no sign of life."""

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self.database = database
        self.lease = lease
        self._paced: dict[str, LowWater] = {}
        """Whose turn it is in the paced queues."""

    # The producer's side

    async def claim(
        self,
        claim_lanes: Sequence[ClaimLane],
        offers: Sequence[Offer],
        *,
        batch_size: int,
        low_water: LowWater | None = None,
    ) -> list[ClaimedBatch]:
        """Takes due messages of the claim lanes (served in this order) into at most one batch per offer.

        Raises UnvouchedError, as `claim_paced` does, where nothing may be claimed.
        """
        low_water = LowWater() if low_water is None else low_water
        if not low_water.is_trusted():
            await self.poll(low_water)
        asked = low_water.choose(claim_lanes, batch_size * len(offers))
        if not asked:
            return []
        low_water.begin()
        row = await self.database.one("claim", **self._claim_parameters(asked, offers, batch_size))
        batches = _claimed(row)
        low_water.claimed(asked, _taken(row, batch_size), _reached(row))
        return batches

    async def poll(self, low_water: LowWater, queues: Sequence[str] | None = None) -> None:
        """Finds out in which turns messages wait, in these queues or in all that are on."""
        began = low_water.begin()
        rows = await self.database.rows("waiting", queues=queues, off_too=False)
        low_water.polled(began, _waiting(rows), seen_at=rows[-1]["seen_at"], queues=queues)

    async def claim_paced(
        self, offers: Sequence[Offer], *, batch_size: int, queues: Sequence[str] | None = None
    ) -> list[ClaimedBatch]:
        """Takes what these paced queues, or all, may release now, each queue's messages in batches of their own.

        One transaction: the rows of the queues are locked, so two producers never spend the same allowance.
        """
        claimed: list[ClaimedBatch] = []
        free = list(offers)
        queries = self.database.queries
        async with self.database.transaction() as connection:
            for row in [row async for row in queries.paced_ticks(connection, queues=queues)]:
                if not free:
                    break
                tick = Tick(**row)
                room = batch_size * len(free)
                if tick.allowance is not None:
                    room = min(room, tick.allowance)
                turns = self._paced.setdefault(tick.name, LowWater())
                rows = [each async for each in queries.waiting(connection, queues=[tick.name], off_too=False)]
                due = [each._replace(claimable_at=each.mark[0].timestamp()) for each in _waiting(rows)]
                turns.polled(turns.begin(), due, seen_at=rows[-1]["seen_at"], queues=None)
                asked = turns.choose([(priority, tick.name) for priority in range(3)], room)
                if not asked:
                    continue
                parameters = self._claim_parameters(asked, free, batch_size)
                parameters.update(cutoff=tick.cutoff, room=room)
                made = await queries.claim(connection, **parameters)
                batches = _claimed(made)
                turns.claimed(asked, _taken(made, batch_size), _reached(made))
                if taken := sum(batch.size for batch in batches):
                    credit = None if tick.allowance is None else tick.allowance - taken
                    await queries.spend_tick(connection, name=tick.name, began_at=tick.began_at, credit=credit)
                used = {batch.id for batch in batches}
                free = [offer for offer in free if offer.batch_id not in used]
                claimed += batches
        return claimed

    async def next_due(self, low_water: LowWater | None = None) -> float | None:
        """Seconds until a message can next be claimed (0 or less: now); None where none is waiting."""
        low_water = LowWater() if low_water is None else low_water
        if not low_water.is_trusted():
            await self.poll(low_water)
        return low_water.seconds()

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
        # Without the last, the server's time.
        names = tuple(rows[0].keys())[:-1] if rows else ()
        return [_delivery(dict(zip(names, row, strict=False))) for row in rows]

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
        attempts = [outcome.attempt or _NO_ATTEMPT for outcome in outcomes]
        [row] = await maintenance.insert(
            self.database,
            "record_outcomes",
            [attempt.started_at for attempt in attempts if attempt is not _NO_ATTEMPT],
            **_columns(_OUTCOME, outcomes),
            **_columns(_ATTEMPT, attempts),
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

    def _claim_parameters(self, asked: Sequence[Asked], offers: Sequence[Offer], batch_size: int) -> dict[str, Any]:
        return {
            "priorities": [turn[0] for turn, _, _ in asked],
            "queues": [turn[1] for turn, _, _ in asked],
            "shares": [turn[2] for turn, _, _ in asked],
            "mark_due_ats": [due_at for _, (due_at, _), _ in asked],
            "mark_ids": [message_id for _, (_, message_id), _ in asked],
            "quotas": [quota for _, _, quota in asked],
            "cutoff": None,
            "room": batch_size * len(offers),
            "batch_size": batch_size,
            "batch_bytes": BATCH_BYTES,
            "batch_ids": [offer.batch_id for offer in offers],
            "consumers": [offer.consumer for offer in offers],
            "lease": PICKUP_SHARE * self.lease,
        }


def _waiting(rows: Sequence[Any]) -> list[Waiting]:
    return [
        Waiting((row["priority"], row["queue"], row["share"]), (row["due_at"], row["id"]), row["claimable_at"])
        for row in rows
        if row["id"] is not None
    ]


def _reached(row: Any) -> list[Mark | None]:
    marks = zip(row["due_ats"], row["ids"], strict=True)
    return [None if due_at is None else (due_at, message_id) for due_at, message_id in marks]


def _columns(names: Sequence[str], items: Sequence[object]) -> dict[str, Sequence[Any]]:
    """An array for each name. One of nulls alone is empty, and unnest fills it up: each element costs 0.2 µs."""
    columns = zip(*map(attrgetter(*names), items), strict=True)
    return {
        name: () if column[0] is None and column.count(None) == len(column) else column
        for name, column in zip(names, columns, strict=True)
    }


def _taken(row: Any, batch_size: int) -> list[Taken]:
    """What a claim took of each turn. By bytes its messages fill two batches for each `BATCH_BYTES` at the most."""
    taken = []
    for messages, size in zip(row["taken"], row["bytes"], strict=True):
        by_bytes = 2 * batch_size * size / BATCH_BYTES
        taken.append(Taken(messages, messages if by_bytes < _FEW * messages else messages + by_bytes))
    return taken


def _claimed(row: Any) -> list[ClaimedBatch]:
    if not row["vouched"]:
        raise UnvouchedError("nothing is claimed: the marker is old, another server's, or paused")
    made = zip(row["batch_ids"], row["sizes"], row["quarantined"], strict=True)
    return [ClaimedBatch(*batch) for batch in made]


def _delivery(row: dict[str, Any]) -> Delivery:
    if row["headers"] is not None:
        row["headers"] = msgspec.json.decode(row["headers"], type=dict[str, str])
    if row["retry_delays"] is not None:
        row["retry_delays"] = retry_delays(row["retry_delays"])
    return Delivery(**row)
