"""A counting SMS gateway on a real socket."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Self
from uuid import uuid4

from aiohttp import web

from tests.integration.channels.receivers import web_receiver


class CountingGateway:
    """Counts what arrives by its content, and remembers when."""

    def __init__(self, *, delay: float = 0.0) -> None:
        self.received: Counter[str] = Counter()
        self.arrivals: dict[str, float] = {}
        self.delay = delay
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.url = await self._exits.enter_async_context(web_receiver(self._receive))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    @property
    def duplicates(self) -> int:
        return sum(self.received.values()) - len(self.received)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        arrived = time.time()
        content = (await request.json())["content"]
        self.received[content] += 1
        self.arrivals.setdefault(content, arrived)
        if self.delay:
            await asyncio.sleep(self.delay)
        return web.json_response({"message": "Accepted", "messageId": str(uuid4())}, status=202)
