"""Hears what Postgres notifies of, or asks again and again where that cannot be heard.

LISTEN and the lock of the leader belong to a session. A pooler in transaction mode lends a session for one transaction
only: LISTEN succeeds there, and nothing is ever heard. Where `POSTGRES_LISTEN_URI` names no way past it, whoever
listens is told each second that it may have missed something: a message is up to a second late then, none is lost.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from sql.connecting import AWAY, keeps_session
from sql.database import Database
from tidings.domain.errors import describe

log = structlog.get_logger(__name__)

DEAF_SECONDS: Final = 1.0
"""How often something may have been missed, where nothing is heard."""

DEAF_ROUNDS: Final = 60
"""After so many rounds it is tried again whether something is heard."""

RECONNECT_SECONDS: Final = 1.0

DEAF: Final = (
    "no NOTIFY arrives through POSTGRES_URI, which leads to a pooler in transaction mode: messages may be 1 s late; "
    "set POSTGRES_LISTEN_URI to the same Postgres without it"
)


async def hear(
    database: Database, callbacks: Mapping[str, Callable[[str], None]], *, missed: Callable[[], None], what: str
) -> None:
    """Calls with what is notified on each channel, until cancelled, and `missed` where something may have been."""
    said = False
    while True:
        try:
            connection = await database.listen(dict(callbacks))
        except AWAY as error:
            log.warning(f"cannot listen for {what}", error=describe(error))
            await asyncio.sleep(RECONNECT_SECONDS)
            continue
        try:
            hears = await keeps_session(connection, database.notify)
            missed()
            if hears:
                said = False
                log.info(f"listens no longer for {what}", error=await database.lost(connection))
        except AWAY as error:
            log.warning(f"cannot listen for {what}", error=describe(error))
            await asyncio.sleep(RECONNECT_SECONDS)
            continue
        finally:
            connection.terminate()
        if not hears:
            if not said:
                log.warning(DEAF)
                said = True
            for _ in range(DEAF_ROUNDS):
                await asyncio.sleep(DEAF_SECONDS)
                missed()
