"""SMS gateways: read and written, their credentials sealed; and the copy of all that a process routes by.

In play there: every gateway in memory, bounded, asked for every 2 s whether one has changed. A crash loses the copy,
which is read again first. Postgres away: the copy stays as it is.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from sql.database import AWAY, AWAY_SECONDS, Database, Noun
from sql.holds import WOKEN_AT_ONCE
from tidings.channels.sms.directory import GatewayDirectory
from tidings.domain.account import Sealed
from tidings.domain.errors import describe
from tidings.domain.gateway import Gateway
from tidings.domain.states import HeldReason

log = structlog.get_logger(__name__)

MAX_OWN: Final = 20
"""Of one user, or of the operator's own rows."""
MAX_GATEWAYS: Final = 10_000
"""Of everybody: all are in the memory of each process."""
POLL_SECONDS: Final = 2.0
CHANGED_SECONDS: Final = 3.0
"""When messages are due that a gateway held which has changed: later than consumers know of that."""

_COLUMNS: Final = (
    "id", "user_id", "name", "preset", "base_url", "credentials", "short_codes", "weight", "allows_duplicates",
    "per_second", "concurrency", "price", "enabled",
)  # fmt: skip


class Put(StrEnum):
    """What came of making a gateway."""

    KEPT = "kept"
    TAKEN = "taken"
    """There is one of that name."""
    TOO_MANY = "too many"


class GatewayStore(Noun):
    """The gateways that are rows."""

    async def list(self, user_id: UUID | None) -> Sequence[Gateway]:
        """Those of a user, or for None of the operator."""
        return [gateway_of(row) for row in await self.database.rows("list_gateways", user_id=user_id)]

    async def all(self) -> Sequence[Gateway]:
        """Everybody's."""
        return [gateway_of(row) for row in await self.database.rows("all_gateways", limit=MAX_GATEWAYS)]

    async def make(self, gateway: Gateway) -> tuple[Put, Gateway]:
        """Keeps a new one."""
        queries = self.database.queries
        async with self.database.transaction() as connection:
            await queries.lock_gateways(connection)
            counts = await queries.count_gateways(connection, user_id=gateway.user_id)
            rows = queries.list_gateways(connection, user_id=gateway.user_id)
            if gateway.name in {row["name"] async for row in rows}:
                return Put.TAKEN, gateway
            if counts["own"] >= MAX_OWN or counts["all_of_them"] >= MAX_GATEWAYS:
                return Put.TOO_MANY, gateway
            return Put.KEPT, gateway_of(await queries.put_gateway(connection, **_values(gateway)))

    async def change(self, gateway: Gateway) -> Gateway:
        """Replaces one as a whole; what held it is over, and what waited for it is due."""
        async with self.database.transaction() as connection:
            kept = gateway_of(await self.database.queries.put_gateway(connection, **_values(gateway)))
            await self.database.queries.release_gateway(connection, user_id=kept.user_id, endpoint=kept.key)
        await wake(self.database, kept)
        return kept

    async def delete(self, user_id: UUID | None, name: str) -> Gateway | None:
        """Returns what is deleted; None where there is none."""
        row = await self.database.one("delete_gateway", user_id=user_id, name=name)
        return None if row is None else gateway_of(row)

    async def sealed(self, *, after: UUID, limit: int) -> Sequence[tuple[UUID, Sealed]]:
        """A page of what is kept encrypted, of the gateways whose ids come after the given one."""
        rows = await self.database.rows("sealed_gateways", after=after, limit=limit)
        return [(row["id"], Sealed(row["credentials"])) for row in rows]

    async def reseal(self, resealed: Sequence[tuple[UUID, Sealed, Sealed]]) -> int:
        """Puts the second secret of each in the place of the first, unless that was changed meanwhile."""
        ids, old, new = zip(*resealed, strict=True)
        count: int = await self.database.one("reseal_gateways", ids=list(ids), old=list(old), new=list(new))
        return count


class KnownGateways:
    """All gateways, rows and those of the configuration, as one process knows them."""

    def __init__(
        self,
        store: GatewayStore,
        configured: Sequence[Gateway] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._configured = configured
        self._clock = clock
        self._seen: Any = None
        self._asked_at = float("-inf")
        self.directory = GatewayDirectory(configured)
        self.observers: list[Callable[[Gateway], None]] = []
        """Called with each gateway that was made or changed."""

    async def fresh(self) -> GatewayDirectory:
        """The gateways, asked for where that is `POLL_SECONDS` ago: one small query for any number of requests."""
        now = self._clock()
        if now - self._asked_at >= POLL_SECONDS:
            self._asked_at = now  # first, so that requests that come meanwhile do with what is known
            await self.read()
        return self.directory

    def changed(self) -> None:
        """One was changed through this process."""
        self._asked_at = float("-inf")

    async def read(self) -> bool:
        """Whether Postgres answered; reads all only where one has changed."""
        try:
            seen = tuple(await self._store.database.one("gateways_changed"))
            if seen != self._seen:
                known = {gateway.id: gateway.updated_at for gateway in self.directory.all}
                self.directory.replace([*self._configured, *await self._store.all()])
                for gateway in self.directory.all:
                    if self._seen is not None and known.get(gateway.id) != gateway.updated_at:
                        for observe in self.observers:
                            observe(gateway)
                self._seen = seen
        except AWAY as error:
            log.warning("gateways were not read", error=describe(error))
            return False
        return True

    async def start(self) -> None:
        """Reads all, waiting while Postgres is away."""
        while not await self.read():  # noqa: ASYNC110  (it is Postgres that we wait for)
            await asyncio.sleep(AWAY_SECONDS)

    async def run(self) -> None:
        """Reads again and again, until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.read()


async def wake(database: Database, gateway: Gateway) -> None:
    """What waited for a gateway is due, up to `WOKEN_AT_ONCE`: it may go, or go by this one now."""
    reason = HeldReason.GATEWAY if gateway.user_id is None else HeldReason.ACCOUNT
    await database.one(
        "wake_held",
        channel="sms",
        user_id=gateway.user_id,
        reason=reason,
        seconds=CHANGED_SECONDS,
        limit=WOKEN_AT_ONCE,
    )


def gateway_of(row: asyncpg.Record) -> Gateway:
    """From the columns of the fragment `gateway_columns`."""
    values = dict(row.items())
    values["spec"] = None if row["spec"] is None else msgspec.json.decode(row["spec"])
    values["senders"] = tuple(row["senders"])
    values["users"] = None if row["users"] is None else tuple(row["users"])
    values["prefixes"] = None if row["prefixes"] is None else tuple(row["prefixes"])
    return Gateway(**values)


def _values(gateway: Gateway) -> dict[str, Any]:
    values = {name: getattr(gateway, name) for name in _COLUMNS}
    values["spec"] = None if gateway.spec is None else msgspec.json.encode(gateway.spec).decode()
    for name in ("senders", "users", "prefixes"):
        found = getattr(gateway, name)
        values[name] = None if found is None else list(found)
    return values
