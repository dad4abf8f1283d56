"""The time that pauses are made of, which a fake can move."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """That of this machine."""

    def monotonic(self) -> float:
        """Seconds; only differences mean something."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Blocks for a while."""
        time.sleep(seconds)

    async def pause(self, seconds: float) -> None:
        """Lets others go on for a while."""
        await asyncio.sleep(seconds)
