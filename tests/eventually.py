"""Waiting for what happens in another process or task, where no event can be awaited."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], *, within: float = 10.0, every: float = 0.02) -> T:
    """Looks again and again until it sees something true, and answers that; fails after `within` seconds."""
    async with asyncio.timeout(within):
        while not (seen := await look()):
            await asyncio.sleep(every)
    return seen
