"""Writes outcomes to Postgres in groups: every 20 ms (60 under load), or 500 at once, whichever comes first.

In play: outcomes in memory, from the receiver's answer to the commit. A crash loses them: their messages are recovered,
and may be delivered twice where no dedup record says that they were sent. Postgres away: they wait here, up to
`OUTCOME_BACKLOG`, and the consumer takes nothing new. A commit whose answer was lost is repeated: changes nothing.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from sql.database import AWAY, AWAY_SECONDS
from sql.store import Store
from tidings.domain.errors import describe
from tidings.domain.message import Outcome

log = structlog.get_logger(__name__)

GROUP: Final = 500
LINGER_SECONDS: Final = 0.02
BUSY: Final = 10
BUSY_SECONDS: Final = 0.04
"""With `BUSY` outcomes by then it lingers this much longer: 5 % less CPU time a message, here and in Postgres."""


class OutcomeRecorder:
    """Writes outcomes. `on_closing` is called with the batches whose last outcome goes out now, `on_closed` when it is
    on disk."""

    def __init__(
        self,
        store: Store,
        *,
        consumer: str,
        backlog: int,
        on_closing: Callable[[Iterable[UUID]], None],
        on_closed: Callable[[Iterable[UUID]], None],
        before: Callable[[Sequence[Outcome]], Awaitable[None]] | None = None,
    ) -> None:
        """`before` is awaited with each group of outcomes that is about to be written."""
        self._store = store
        self._before = before
        self._consumer = consumer
        self._backlog = backlog
        self._on_closing = on_closing
        self._on_closed = on_closed
        self.observers: list[Callable[[Sequence[Outcome]], None]] = []
        """Called with each group of outcomes that is on disk."""
        self._waiting: deque[tuple[Outcome, bool]] = deque()
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.away = False
        """Whether Postgres did not take the last group."""

    @property
    def accepting(self) -> bool:
        """Whether the consumer may take more messages."""
        return not self.away and len(self._waiting) < self._backlog

    @property
    def waiting(self) -> int:
        """Outcomes that are not on disk yet."""
        return len(self._waiting)

    def put(self, outcome: Outcome, *, closes_batch: bool) -> None:
        """Queues an outcome; `closes_batch` where it is the last of its batch."""
        self._waiting.append((outcome, closes_batch))
        self._empty.clear()
        self._some.set()
        if len(self._waiting) >= GROUP:
            self._full.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._some.wait()
            await self._linger(LINGER_SECONDS)
            if len(self._waiting) >= BUSY:
                await self._linger(BUSY_SECONDS)
            group = list(islice(self._waiting, GROUP))
            await self._write(group)
            for _ in group:
                self._waiting.popleft()
            if len(self._waiting) < GROUP:
                self._full.clear()
            if not self._waiting:
                self._some.clear()
                self._empty.set()

    async def written(self) -> None:
        """Waits until every outcome is on disk."""
        await self._empty.wait()

    async def _linger(self, seconds: float) -> None:
        if not self._full.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), timeout=seconds)

    async def _write(self, group: Sequence[tuple[Outcome, bool]]) -> None:
        while True:
            outcomes = [outcome for outcome, _ in group]
            closed = [outcome.batch_id for outcome, closes in group if closes]
            self._on_closing(closed)
            try:
                if self._before is not None:
                    await self._before(outcomes)
                recorded = await self._store.batches.record(outcomes, closed=closed, consumer=self._consumer)
            except AWAY as error:
                log.warning("outcomes wait for Postgres", outcomes=len(self._waiting), error=describe(error))
                self.away = True
                await asyncio.sleep(AWAY_SECONDS)
                continue
            except asyncpg.PostgresError as error:
                await self._write_apart(group, error)
                return
            self.away = False
            self._on_closed(closed)
            if len(recorded) < len(outcomes):
                # Written by an earlier commit whose answer was lost, or no longer ours: the lease ran out.
                log.info("outcomes of messages that had left their batch", outcomes=len(outcomes) - len(recorded))
                outcomes = [outcome for outcome in outcomes if outcome.message_id in recorded]
            for observer in self.observers:
                observer(outcomes)
            return

    async def _write_apart(self, group: Sequence[tuple[Outcome, bool]], error: asyncpg.PostgresError) -> None:
        """Postgres refuses something in this group: the others must not suffer for it."""
        if len(group) > 1:
            middle = len(group) // 2
            await self._write(group[:middle])
            await self._write(group[middle:])
            return
        [(outcome, closes)] = group
        log.error("an outcome that Postgres refuses", message=str(outcome.message_id), error=str(error))
        if outcome.attempt is not None or outcome.provider_message_id is not None or outcome.hold or outcome.bounce:
            bare = msgspec.structs.replace(
                outcome, attempt=None, provider_message_id=None, hold=None, bounce=None, last_error=str(error)
            )
            await self._write([(bare, closes)])
        else:
            # Nothing more can be left out. The batch is closed, and the message comes back as an orphan.
            self._on_closed([outcome.batch_id] if closes else [])
