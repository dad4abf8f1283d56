"""Status events for programs that read them: a page at a time, or as a stream.

In memory: how many streams there are, of whom, and one connection that hears of new events while there is any. Nothing
is kept for a stream: it reads what comes after the last event that it wrote, as often as there is news.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Sequence
from http import HTTPStatus
from typing import Final, TypeVar
from uuid import UUID

import structlog
from aiohttp import hdrs

from api.http.problems import RequestError
from sql.database import AWAY, Database
from sql.listening import hear
from sql.status_events import StatusEventStore
from tidings.domain.errors import describe
from tidings.domain.status_event import StatusEvent

log = structlog.get_logger(__name__)

T = TypeVar("T")

AT_ONCE: Final = 100
MOST_STREAMS: Final = 200
"""Of one API process: each costs a query whenever there are new events, and 20 KiB."""
MOST_STREAMS_EACH: Final = 5
"""Of one user in one API process."""
HEARTBEAT_SECONDS: Final = 10.0
AWAY_SECONDS: Final = 2.0
RETRY_AFTER_SECONDS: Final = 10
HEARTBEAT: Final = b": nothing new\n\n"
"""Shows a listener, and proxies in between, that the stream is alive."""


class TooManyStreamsError(RequestError):
    """A user, or all together, have as many streams open as one API process serves."""

    example: Final = f"you have {MOST_STREAMS_EACH} streams open already"

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={hdrs.RETRY_AFTER: str(RETRY_AFTER_SECONDS)})


class StatusStreams:
    """The streams of one process."""

    def __init__(
        self, store: StatusEventStore, database: Database, *, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._store = store
        self._database = database
        self.heartbeat = heartbeat_seconds
        self._open: Counter[UUID | None] = Counter()
        self._news = asyncio.Event()
        """Set when there may be more to read, or none will come."""
        self._hearing: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def open(self) -> int:
        """How many there are."""
        return self._open.total()

    def admit(self, user_id: UUID | None) -> None:
        """Raises TooManyStreamsError; between this and `events` nothing may be waited for."""
        if self._open[user_id] >= MOST_STREAMS_EACH:
            raise TooManyStreamsError(TooManyStreamsError.example)
        if self.open >= MOST_STREAMS:
            raise TooManyStreamsError("as many streams are open as are served here")

    async def events(self, user_id: UUID | None, after: int | None) -> AsyncGenerator[bytes, None]:
        """What comes after an event, or from now on, as server-sent events; until this closes. The caller closes it."""
        self._open[user_id] += 1
        try:
            if self._hearing is None:
                self._hearing = asyncio.create_task(self._hear(), name="status events")
            while after is None and not self._closed:
                if (after := await self._asked(self._store.last(user_id))) is None:
                    yield HEARTBEAT
            # With the first one a stream stands where it begins.
            yield HEARTBEAT
            while not self._closed:
                news = self._news
                found = await self._asked(self._store.after(user_id, after or 0, limit=AT_ONCE))
                if found:
                    yield written(found)
                    after = found[-1].sequence
                if found is not None and len(found) < AT_ONCE and not await self._waited(news):
                    yield HEARTBEAT
        finally:
            self._leave(user_id)

    def _leave(self, user_id: UUID | None) -> None:
        self._open[user_id] -= 1
        if not self._open[user_id]:
            del self._open[user_id]
        if not self._open and self._hearing is not None:
            self._hearing.cancel()
            self._hearing = None

    async def _asked(self, question: Awaitable[T]) -> T | None:
        """What Postgres says; None, a moment later, where it is away."""
        try:
            return await question
        except AWAY as error:
            log.info("status events cannot be read", error=describe(error))
            await asyncio.sleep(AWAY_SECONDS)
            return None

    async def _waited(self, news: asyncio.Event) -> bool:
        """Whether there is news before a heartbeat is due."""
        try:
            async with asyncio.timeout(self.heartbeat):
                return await news.wait()
        except TimeoutError:
            return False

    def close(self) -> None:
        """Ends every stream."""
        self._closed = True
        self._ring()

    async def _hear(self) -> None:
        heard = {"tidings_status_events": lambda _: self._ring()}
        await hear(self._database, heard, missed=self._ring, what="status events")

    def _ring(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def written(events: Sequence[StatusEvent]) -> bytes:
    """Server-sent events. JSON has no line break of its own."""
    return b"".join(
        b"id: %d\nevent: %b\ndata: %b\n\n" % (event.sequence, event.type.encode(), body_of(event)) for event in events
    )


def body_of(event: StatusEvent) -> bytes:
    """What is read of an event: its payload as receivers get it, and the `webhook-id` that they get with it."""
    return b'{"id":"%b",%b' % (str(event.id).encode(), event.payload[1:].encode())
