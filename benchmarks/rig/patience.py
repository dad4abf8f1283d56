"""Waiting for what happens in another process, where no event can be awaited."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

LOOK_SECONDS: Final = 0.02


async def until(look: Callable[[], Awaitable[bool]], *, within: float) -> None:
    """Looks again and again until the answer is yes. Raises TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not await look():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
