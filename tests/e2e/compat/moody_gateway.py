"""A gateway that has moods: it fails, hangs or breaks off for the messages that a test names."""

import asyncio
from collections.abc import Iterable, Iterator

from aiohttp import web

from tests.e2e.gateway import CountingGateway

HANG = -1
"""Answers when the test lets it."""
DROP = -2
"""Closes the connection without an answer."""


class MoodyGateway(CountingGateway):
    """Accepts, but for the moods that a test has set."""

    def __init__(self) -> None:
        super().__init__()
        self._moods: dict[str, Iterator[int]] = {}
        self._patience = asyncio.Event()

    def set_moods(self, content: str, moods: Iterable[int]) -> None:
        """One mood for each time that the message comes, a status or one of the above; after that it is accepted."""
        self._moods[content] = iter(moods)

    def let_go(self) -> None:
        """Answers what hangs, and hangs no more."""
        self._patience.set()

    def reset(self) -> None:
        """As new, for the next test."""
        self.let_go()
        self._patience = asyncio.Event()
        self._moods.clear()
        self.received.clear()
        self.arrivals.clear()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        content = (await request.json())["content"]
        patience, mood = self._patience, next(self._moods.get(content, iter(())), None)
        accepted = await super()._receive(request)
        if mood is None:
            return accepted
        if mood == HANG:
            await patience.wait()
            return accepted
        if mood == DROP:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=abs(mood) + 500 if mood < 0 else mood)
