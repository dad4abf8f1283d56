"""Hears Postgres's clock for this process: with each batch and each message that is kept, and where nothing else told
it, by a question on a connection that is at work anyway, every few seconds at the most.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

import structlog

from tidings.domain.clock import CLOCK

log = structlog.get_logger(__name__)

TELLING: Final = frozenset({"take", "insert_messages", "insert_mails"})
"""Queries whose rows end with the time at which the server got them."""

AGAIN_SECONDS: Final = 5.0
"""A reading that is older is taken again."""

APART_SECONDS: Final = 1.0
"""A machine's clock that is off by more is worth a line in the log."""

_said: set[str] = set()


def hear(rows: Sequence[Any], *, asked: float) -> None:
    """Takes the time from the rows that one of `TELLING` has returned just now; it was asked at this monotonic time."""
    if rows:
        CLOCK.heard(rows[0]["seen_at"], asked=asked, answered=time.monotonic())
        _say_apart()


async def ask(queries: Any, connection: Any) -> None:
    """Asks for the time. Raises whatever the connection raises."""
    asked = time.monotonic()
    hear([await queries.ping(connection)], asked=asked)


async def keep(queries: Any, connection: Any) -> None:
    """Asks for the time if that was last told a while ago."""
    if CLOCK.age() > AGAIN_SECONDS:
        await ask(queries, connection)


def _say_apart() -> None:
    """One line when the machine's clock is found to be off, and one when it is right again."""
    ahead = CLOCK.machine_ahead()
    apart = abs(ahead) - CLOCK.error()
    if apart > APART_SECONDS and not _said:
        _said.add("apart")
        log.warning("this machine's clock differs from Postgres's, which counts", ahead_seconds=round(ahead, 3))
    elif apart < APART_SECONDS / 2 and _said:
        _said.clear()
        log.info("this machine's clock agrees with Postgres's again")
