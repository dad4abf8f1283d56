"""The books: what Postgres says became of each message, held against what the receiver counted."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from redis.asyncio import Redis

from tests.chaos.counting_receiver import Arrivals
from tests.chaos.flow import Accepted
from tidings.redis import keys

_UNSETTLED: Final = """
SELECT count(*) FROM messages WHERE status IN ('pending', 'processing', 'failed') AND created_at <= $1
"""

_IN_HANDS: Final = """
SELECT messages.id FROM messages JOIN batches ON batches.id = batch_id
WHERE status = 'processing' AND consumer = ANY($1) AND started_at IS NOT NULL
"""

_MESSAGES: Final = """
SELECT
    id, status::text, cancel_reason::text, tries, max_tries, recoveries,
    (SELECT count(*) FROM attempts WHERE message_id = messages.id) AS attempts,
    (SELECT count(*) FROM attempts WHERE message_id = messages.id AND outcome = 'accepted') AS accepted
FROM messages
"""


class Row(msgspec.Struct, frozen=True):
    """A message as the rows of Postgres tell it."""

    id: str
    status: str
    cancel_reason: str | None
    tries: int
    max_tries: int
    recoveries: int
    attempts: int
    """Attempts on record."""
    accepted: int
    """Those of them that the receiver accepted."""


class Balance(msgspec.Struct, frozen=True):
    """What came of a round."""

    messages: int
    """Accepted by the API."""
    lost: list[str]
    """Accepted, and neither delivered nor cancelled with a reason."""
    repeated: Counter[str]
    """Times that a message came again, by its id."""
    unmarked: list[str]
    """Messages that came more than once without saying that they might."""
    cancelled: Counter[str]
    """Cancelled messages by their reason."""
    faults: list[str]
    """Where Postgres contradicts itself or the receiver."""

    @property
    def duplicates(self) -> int:
        return self.repeated.total()


class Books:
    """Asks Postgres again each time, over a connection of its own: it may have been away meanwhile."""

    def __init__(self, postgres_uri: str, redis_uri: str) -> None:
        self._postgres_uri = postgres_uri
        self._redis_uri = redis_uri

    async def unsettled(self, until: float) -> int:
        """How many messages that were made up to a moment (Unix seconds) are neither sent nor cancelled."""
        [row] = await self.fetch(_UNSETTLED, datetime.fromtimestamp(until, UTC))
        count: int = row["count"]
        return count

    async def batches(self) -> int:
        """How many batches are under way."""
        [row] = await self.fetch("SELECT count(*) FROM batches")
        count: int = row["count"]
        return count

    async def in_hands(self, consumers: Collection[str]) -> set[str]:
        """The messages of batches that these consumers have started, without a recorded outcome."""
        return {str(row["id"]) for row in await self.fetch(_IN_HANDS, list(consumers))}

    async def with_dedup_record(self, message_ids: Iterable[str]) -> set[str]:
        """Those of these messages of which Redis knows that a receiver accepted them."""
        asked = list(message_ids)
        if not asked:
            return set()
        redis = Redis.from_url(self._redis_uri)
        try:
            records = await redis.mget([keys.dedup_record(UUID(message_id)) for message_id in asked])
        finally:
            await redis.aclose()
        return {message_id for message_id, record in zip(asked, records, strict=True) if record is not None}

    async def balance(self, accepted: Collection[Accepted], arrivals: Arrivals) -> Balance:
        rows = {
            row.id: row
            for row in [Row(**{**record, "id": str(record["id"])}) for record in await self.fetch(_MESSAGES)]
        }
        lost = [
            message.id for message in accepted if (row := rows.get(message.id)) is None or not _settled(row, arrivals)
        ]
        faults = [fault for row in rows.values() for fault in _faults(row, arrivals)]
        faults += [
            f"{message_id} was delivered, and Postgres does not know it" for message_id in arrivals.keys() - rows
        ]
        if left := await self.batches():
            faults.append(f"{left} batches are left")
        return Balance(
            messages=len(accepted),
            lost=lost,
            repeated=Counter({key: len(came) - 1 for key, came in arrivals.items() if len(came) > 1}),
            unmarked=[
                key for key, came in arrivals.items() if sum(not arrival.possible_duplicate for arrival in came) > 1
            ],
            cancelled=Counter(row.cancel_reason for row in rows.values() if row.cancel_reason is not None),
            faults=faults,
        )

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._postgres_uri, timeout=5, command_timeout=10)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows
        finally:
            # It may be paused, and not hear us go.
            connection.terminate()
            await asyncio.sleep(0)


def _settled(row: Row, arrivals: Arrivals) -> bool:
    return row.status == "cancelled" or (row.status == "sent" and row.id in arrivals)


def _faults(row: Row, arrivals: Arrivals) -> Iterable[str]:
    if row.status not in {"sent", "cancelled"}:
        yield f"{row.id} is still {row.status}"
    if row.tries > row.max_tries:
        yield f"{row.id} was tried {row.tries} times of {row.max_tries}"
    # What was lost with its consumer has attempts that nobody could put on record, or that a late consumer did.
    if not row.recoveries:
        if row.attempts != row.tries:
            yield f"{row.id} has {row.attempts} attempts on record for {row.tries} tries"
        if row.accepted != (row.status == "sent"):
            yield f"{row.id} is {row.status}, with {row.accepted} accepted attempts on record"
    if row.accepted > len(arrivals.get(row.id, ())):
        yield f"{row.id} has more accepted attempts on record than arrivals"
