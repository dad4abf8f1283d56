"""Bytes that may be in memory at once for one purpose; whoever wants more waits in line.

In memory only. What is larger than the whole budget passes alone, so nothing waits for ever.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ByteBudget:
    """A number of bytes, lent out and given back."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = size
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def lend(self, size: int) -> AsyncIterator[None]:
        """Holds `size` bytes for the block, after those that came before."""
        size = min(size, self._size)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((size, turn))
        self._serve()
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._free += size
            self._serve()
            raise
        try:
            yield
        finally:
            self._free += size
            self._serve()

    def _serve(self) -> None:
        while self._line:
            size, turn = self._line[0]
            if not turn.done():
                if size > self._free:
                    return
                self._free -= size
                turn.set_result(None)
            self._line.popleft()
