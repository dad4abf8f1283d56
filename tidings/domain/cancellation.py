"""Ending a task for certain.

One `cancel` is not enough: up to Python 3.11 `asyncio.wait_for`, which the libraries for Redis and Postgres use, loses
a cancellation that comes at the same time as its result (python/cpython#86296), and the task goes on.
"""

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 0.5


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks, as often as it takes, and returns when all have ended; what they raised is left with them."""
    while pending := {task for task in tasks if not task.done()}:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=AGAIN_SECONDS)
