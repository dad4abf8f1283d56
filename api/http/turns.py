"""Lets other requests have their turn while one has much to compute."""

import asyncio
from typing import Final

TURN_SECONDS: Final = 0.01


class Turns:
    """Of one request that goes through a long list."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + TURN_SECONDS

    async def pass_on(self) -> None:
        """Between two entries: waits for the others where this one has had its turn."""
        if self._loop.time() >= self._until:
            await asyncio.sleep(0)
            self._until = self._loop.time() + TURN_SECONDS
