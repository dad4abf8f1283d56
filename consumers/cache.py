"""Rows that consumers need with every message, such as users and endpoints, as Postgres keeps them.

In play, in memory only: rows cached for 10 s, or until a NOTIFY says that one has changed (if that is lost, a change is
in use 10 s later); a crash loses nothing. Requests in one turn of the event loop are merged into one query, so a batch
costs one round trip at most, and one whose rows are cached none. Secrets stay sealed until a channel needs them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
import structlog

from sql.database import AWAY, Database
from sql.listening import hear
from tidings.domain.errors import StoreUnavailableError

log = structlog.get_logger(__name__)

LIFE_SECONDS: Final = 10.0

V = TypeVar("V")


class Cached(msgspec.Struct, frozen=True):
    value: Any
    until: float


class RowCache(Generic[V]):
    """Caches rows by their ids, read through `read` many at a time; `noun` names one in errors."""

    def __init__(
        self,
        read: Callable[[Sequence[UUID]], Awaitable[dict[UUID, V]]],
        *,
        noun: str,
        clock: Callable[[], float],
        life_seconds: float = LIFE_SECONDS,
    ) -> None:
        self._read = read
        self._noun = noun
        self._clock = clock
        self._life = life_seconds
        self._known: dict[UUID, Cached] = {}
        """Oldest first, since all live equally long."""
        self._coming: dict[UUID, asyncio.Task[dict[UUID, V]]] = {}
        self._wanted: list[UUID] = []
        """What the next query reads, until it begins."""
        self._next: asyncio.Task[dict[UUID, V]] | None = None
        self.observers: list[Callable[[UUID], None]] = []
        """Called with the id of each row that has changed."""
        self._outdated: set[tuple[asyncio.Task[dict[UUID, V]], UUID]] = set()
        """What has changed while a query was reading it."""

    def known(self, row_id: UUID) -> V | None:
        """The row, where it is cached and no older than 10 s."""
        known = self._lately(row_id)
        return None if known is None else known.value

    def is_gone(self, row_id: UUID) -> bool:
        """Whether it is known that there is no such row."""
        known = self._lately(row_id)
        return known is not None and known.value is None

    async def get(self, row_id: UUID) -> V | None:
        """The row; None where there is none.

        May return an older version while Postgres is away; raises StoreUnavailableError where there is none.
        """
        known = self._lately(row_id)
        if known is not None:
            return known.value  # type: ignore[no-any-return]
        try:
            # Shielded: a delivery that is cancelled must not cancel the query of the others.
            return (await asyncio.shield(self._want(row_id))).get(row_id)
        except AWAY as error:
            known = self._known.get(row_id)
            if known is None:
                raise StoreUnavailableError(f"the {self._noun} of the message could not be read") from error
            return known.value  # type: ignore[no-any-return]

    def forget(self, row_id: UUID) -> None:
        """Reads a row again when it is needed next. A store that is away leaves what was known."""
        if (known := self._known.get(row_id)) is not None:
            self._known[row_id] = Cached(known.value, self._clock())
        query = self._coming.get(row_id)
        if query is not None and query is not self._next:
            del self._coming[row_id]
            self._outdated.add((query, row_id))

    def replace(self, row_id: UUID, value: V) -> None:
        """Knows a row better than Postgres does at this moment."""
        self._known.pop(row_id, None)
        self._known[row_id] = Cached(value, self._clock() + self._life)

    def forget_all(self) -> None:
        """After a time in which changes may have been missed."""
        for row_id in [*self._known, *self._coming]:
            self.forget(row_id)

    async def read(self, row_ids: Iterable[UUID]) -> None:
        """Fills the cache with all of them, in one query. Raises one of AWAY where Postgres is away."""
        for query in {self._want(row_id) for row_id in set(row_ids) if self._lately(row_id) is None}:
            await asyncio.shield(query)

    def changed(self, payload: str) -> None:
        """A NOTIFY named a row."""
        try:
            row_id = UUID(payload)
        except ValueError:
            log.warning("a NOTIFY that is not ours", payload=payload)
            return
        self.forget(row_id)
        for observe in self.observers:
            observe(row_id)

    def _lately(self, row_id: UUID) -> Cached | None:
        known = self._known.get(row_id)
        return known if known is not None and self._clock() < known.until else None

    def _want(self, row_id: UUID) -> "asyncio.Task[dict[UUID, V]]":
        coming = self._coming.get(row_id)
        if coming is not None:
            return coming
        if self._next is None:
            self._next = asyncio.create_task(self._query(), name=f"read {self._noun}")
        self._coming[row_id] = self._next
        self._wanted.append(row_id)
        return self._next

    async def _query(self) -> dict[UUID, V]:
        """Runs in the next turn of the event loop, for all that were wanted in this one."""
        wanted, self._wanted, self._next = self._wanted, [], None
        task = asyncio.current_task()
        try:
            found = await self._read(wanted)
        finally:
            for row_id in wanted:
                if self._coming.get(row_id) is task:
                    del self._coming[row_id]
        now = self._clock()
        while self._known and next(iter(self._known.values())).until <= now:
            del self._known[next(iter(self._known))]
        outdated = {row_id for query, row_id in self._outdated if query is task}
        self._outdated = {(query, row_id) for query, row_id in self._outdated if query is not task}
        for row_id in wanted:
            if row_id not in outdated:
                self._known.pop(row_id, None)
                self._known[row_id] = Cached(found.get(row_id), now + self._life)
        return found


async def listen(database: Database, caches: Mapping[str, RowCache[Any]]) -> None:
    """Has each cache, by the channel of its NOTIFY, forget what changes, on one connection, until cancelled."""

    def missed() -> None:
        for cache in caches.values():
            cache.forget_all()

    callbacks = {channel: cache.changed for channel, cache in caches.items()}
    await hear(database, callbacks, missed=missed, what="changed rows")
