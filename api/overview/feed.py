"""The stream of overviews: made once a second for all listeners of this process, and not at all where none listens.

In memory: the newest event, which replaces the one before. Nothing is kept for a listener, so one that is slow misses
events instead of piling them up: after a gap it gets the whole history again, and one that reads nothing at all is
disconnected. The first listener starts the making, the last one to leave ends it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

import msgspec
import structlog

from api.overview.schemas import Overview
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import describe

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 10.0
HEARTBEAT: Final = b": nothing new\n\n"
"""Shows a listener, and proxies in between, that the stream is alive while no overview can be made."""
LATE_EVENTS: Final = 10
"""A listener that missed more events than this would miss steps of the history too."""

Make = Callable[[], Awaitable[Overview]]


class OverviewFeed:
    """The listeners of one process. `whole` makes an overview with all of its history, `recent` with the last steps."""

    def __init__(self, *, whole: Make, recent: Make, every: float = EVERY_SECONDS) -> None:
        self._whole = whole
        self._recent = recent
        self._every = every
        self._newest = b""
        self._number = 0
        self._came = asyncio.Event()
        """Set when there is a newer event, or none will come."""
        self._making: asyncio.Task[None] | None = None
        self._closed = False
        self.listeners = 0

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Events for one listener, until the feed is closed. The caller closes it."""
        self.listeners += 1
        try:
            if self._making is None:
                self._making = asyncio.create_task(self._make(), name="overviews")
            while not self._closed:
                seen = self._number
                yield event(await self._whole())
                while not self._closed and self._number - seen <= LATE_EVENTS:
                    try:
                        async with asyncio.timeout(HEARTBEAT_SECONDS):
                            await self._came.wait()
                    except TimeoutError:
                        yield HEARTBEAT
                    if self._number > seen:
                        seen = self._number
                        yield self._newest
        finally:
            self.listeners -= 1
            if not self.listeners and self._making is not None:
                making, self._making = self._making, None
                await cancel_and_wait(making)

    def close(self) -> None:
        """Ends every stream."""
        self._closed = True
        self._came.set()

    async def _make(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                self._newest = event(await self._recent())
            except Exception as error:  # a feed that ends would leave every page waiting
                log.exception("no overview was made", error=describe(error))
                continue
            self._number += 1
            came, self._came = self._came, asyncio.Event()
            came.set()


def event(overview: Overview) -> bytes:
    """One server-sent event (HTML Living Standard, section 9.2.5). JSON has no line break of its own."""
    return b"event: overview\ndata: " + msgspec.json.encode(overview) + b"\n\n"
