"""The users that messages are sent for: their SMTP accounts and signing secrets, sealed as Postgres keeps them.

In play, in memory only: users cached for 10 s, or until NOTIFY `tidings_users` says that one has changed (if that is
lost, a change is in use 10 s later); a crash loses nothing. Requests in one turn of the event loop are merged into one
query, so a batch costs one round trip at most. Nothing here is in clear: a channel opens what it needs when it needs
it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from sql.database import AWAY, Database
from sql.listening import hear
from tidings.domain.account import Sender
from tidings.domain.errors import StoreUnavailableError

log = structlog.get_logger(__name__)

LIFE_SECONDS: Final = 10.0

Read = Callable[[Sequence[UUID]], Awaitable[dict[UUID, Sender]]]


class CachedSender(msgspec.Struct, frozen=True):
    sender: Sender | None
    until: float


class SenderCache:
    """Caches users, read through `read` many at a time."""

    def __init__(self, read: Read, *, clock: Callable[[], float], life_seconds: float = LIFE_SECONDS) -> None:
        self._read = read
        self._clock = clock
        self._life = life_seconds
        self._known: dict[UUID, CachedSender] = {}
        """Oldest first, since all live equally long."""
        self._coming: dict[UUID, asyncio.Task[dict[UUID, Sender]]] = {}
        self._wanted: list[UUID] = []
        """Whom the next query reads, until it begins."""
        self._next: asyncio.Task[dict[UUID, Sender]] | None = None
        self.observers: list[Callable[[UUID], None]] = []
        """Called with each user who has changed."""
        self._outdated: set[tuple[asyncio.Task[dict[UUID, Sender]], UUID]] = set()
        """Who has changed while a query was reading them."""

    def known(self, user_id: UUID) -> Sender | None:
        """The user, where it is cached and no older than 10 s."""
        known = self._lately(user_id)
        return None if known is None else known.sender

    async def get(self, user_id: UUID) -> Sender | None:
        """The user; None where there is none.

        May return an older version while Postgres is away; raises StoreUnavailableError where there is none.
        """
        known = self._lately(user_id)
        if known is not None:
            return known.sender
        try:
            # Shielded: a delivery that is cancelled must not cancel the query of the others.
            return (await asyncio.shield(self._want(user_id))).get(user_id)
        except AWAY as error:
            known = self._known.get(user_id)
            if known is None:
                raise StoreUnavailableError("the user of the message could not be read") from error
            return known.sender

    def forget(self, user_id: UUID) -> None:
        """Reads a user again when they are needed next. A store that is away leaves what was known."""
        if (known := self._known.get(user_id)) is not None:
            self._known[user_id] = CachedSender(known.sender, self._clock())
        query = self._coming.get(user_id)
        if query is not None and query is not self._next:
            del self._coming[user_id]
            self._outdated.add((query, user_id))

    def forget_all(self) -> None:
        """After a time in which changes may have been missed."""
        for user_id in [*self._known, *self._coming]:
            self.forget(user_id)

    async def listen(self, database: Database) -> None:
        """Forgets who changes, until cancelled."""
        await hear(database, {"tidings_users": self._changed}, missed=self.forget_all, what="changed users")

    async def read(self, user_ids: Iterable[UUID]) -> None:
        """Fills the cache with all of them, in one query. Raises one of AWAY where Postgres is away."""
        for query in {self._want(user_id) for user_id in set(user_ids) if self._lately(user_id) is None}:
            await asyncio.shield(query)

    def _changed(self, payload: str) -> None:
        try:
            user_id = UUID(payload)
        except ValueError:
            log.warning("a NOTIFY that is not ours", payload=payload)
            return
        self.forget(user_id)
        for observe in self.observers:
            observe(user_id)

    def _lately(self, user_id: UUID) -> CachedSender | None:
        known = self._known.get(user_id)
        return known if known is not None and self._clock() < known.until else None

    def _want(self, user_id: UUID) -> "asyncio.Task[dict[UUID, Sender]]":
        coming = self._coming.get(user_id)
        if coming is not None:
            return coming
        if self._next is None:
            self._next = asyncio.create_task(self._query(), name="senders")
        self._coming[user_id] = self._next
        self._wanted.append(user_id)
        return self._next

    async def _query(self) -> dict[UUID, Sender]:
        """Runs in the next turn of the event loop, for all who were wanted in this one."""
        wanted, self._wanted, self._next = self._wanted, [], None
        task = asyncio.current_task()
        try:
            found = await self._read(wanted)
        finally:
            for user_id in wanted:
                if self._coming.get(user_id) is task:
                    del self._coming[user_id]
        now = self._clock()
        while self._known and next(iter(self._known.values())).until <= now:
            del self._known[next(iter(self._known))]
        outdated = {user_id for query, user_id in self._outdated if query is task}
        self._outdated = {(query, user_id) for query, user_id in self._outdated if query is not task}
        for user_id in wanted:
            if user_id not in outdated:
                self._known.pop(user_id, None)
                self._known[user_id] = CachedSender(found.get(user_id), now + self._life)
        return found
