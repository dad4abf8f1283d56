"""When the producer polls for due messages: at the next due time, on a NOTIFY, and after `POLL_INTERVAL` at the latest.

A lost NOTIFY or a lost connection costs no message, only up to one poll interval of lateness.
NOTIFY `tidings_turns` carries the seconds until the first message is due, that time (Unix seconds), and the turns in
which messages wait now (`priority:queue:share`, with commas between them), or `*` where they are many.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import structlog

from sql.database import Database
from sql.listening import hear
from sql.low_water import Turn

log = structlog.get_logger(__name__)


class Wakeup:
    """An alarm clock: set to what is known to be due, put forward by a NOTIFY."""

    def __init__(self, *, poll_interval: float, clock: Callable[[], float]) -> None:
        self._poll_interval = poll_interval
        self._clock = clock
        self._at = clock()
        self._moved = asyncio.Event()

    def within(self, seconds: float) -> None:
        """Wakes no later than `seconds` from now."""
        at = self._clock() + max(seconds, 0)
        if at < self._at:
            self._at = at
            self._moved.set()

    async def sleep(self) -> None:
        """Sleeps until the alarm; afterwards it stands at one poll interval from now."""
        while (left := self._at - self._clock()) > 0:
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), timeout=left)
        self._at = self._clock() + self._poll_interval


class Listener:
    """Listens for NOTIFY, and connects again when the connection breaks; polls where nothing can be heard."""

    def __init__(
        self,
        database: Database,
        *,
        on_due: Callable[[float, float, Sequence[Turn] | None], None],
        on_queues: Callable[[], None],
    ) -> None:
        self._database = database
        self._on_due = on_due
        self._on_queues = on_queues

    async def listen(self) -> None:
        """Runs until cancelled."""
        # What was notified while nobody listened is found by one poll.
        await hear(
            self._database,
            {"tidings_turns": self._due, "tidings_queues": self._queues},
            missed=self._on_queues,
            what="new messages",
        )

    def _due(self, payload: str) -> None:
        try:
            seconds, due, turns = payload.split()
            self._on_due(
                float(seconds), float(due), None if turns == "*" else [_turn(text) for text in turns.split(",")]
            )
        except ValueError:
            log.warning("a NOTIFY that is not ours", payload=payload)

    def _queues(self, _name: str) -> None:
        self._on_queues()


def _turn(text: str) -> Turn:
    priority, queue, share = text.split(":")
    return int(priority), queue, int(share)
