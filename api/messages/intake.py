"""The group commit: messages that arrive together are kept by one insert, and each caller is answered after it.

Two collections, both of this event loop: `_waiting`, the messages that no insert has taken up yet, at most `backlog`;
and `_commits`, the inserts in flight, at most `concurrency`. A crash loses both, and with them only messages whose
senders got no 201. A commit whose confirmation is lost on the way counts as failed: the sender tries again, and an
idempotency key keeps that from being a second message.

The first message goes at once when nothing is in flight; those that come meanwhile gather for `wait` seconds, until
`most` of them are there, or until nothing is in flight again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import structlog

from api.http.problems import STORE_AWAY
from sql.database import AWAY
from sql.messages import IdempotencyKey
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.message import NewMessage

log = structlog.get_logger(__name__)

Insert = Callable[[Sequence[NewMessage], Sequence[IdempotencyKey | None]], Awaitable[set[UUID]]]
"""Keeps all messages in one commit and returns the ids of those kept: `MessageStore.insert`."""

MOST: Final = 500
WAIT_SECONDS: Final = 0.003
CONCURRENCY: Final = 3
BACKLOG: Final = 10_000


class _Entry(NamedTuple):
    message: NewMessage
    key: IdempotencyKey | None
    kept: asyncio.Future[bool]


class Intake:
    """Handlers hand their message in here and wait until it is committed."""

    def __init__(
        self,
        insert: Insert,
        *,
        most: int = MOST,
        wait: float = WAIT_SECONDS,
        concurrency: int = CONCURRENCY,
        backlog: int = BACKLOG,
    ) -> None:
        self._insert = insert
        self._most = most
        self._wait = wait
        self._concurrency = concurrency
        self._backlog = backlog
        self._waiting: list[_Entry] = []
        self._commits: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Handle | None = None
        self._closed = False

    async def keep(self, message: NewMessage, key: IdempotencyKey | None = None) -> bool:
        """Returns once the message is committed; False where its key was used before and it was left out.

        Raises StoreUnavailableError where the message could not be kept, or that is unknown. A caller that is cancelled
        meanwhile takes nothing back, and disturbs no other.
        """
        if self._closed:
            raise StoreUnavailableError("this process is stopping")
        if len(self._waiting) >= self._backlog:
            raise StoreUnavailableError("too many messages are waiting to be kept")
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(message, key, kept))
        self._start_commits()
        return await kept

    async def close(self) -> None:
        """Accepts no more; returns when every accepted message is committed or refused."""
        self._closed = True
        while self._waiting or self._commits:
            self._start_commits()
            await asyncio.wait(self._commits, return_when=asyncio.FIRST_COMPLETED)

    def _start_commits(self) -> None:
        """Starts the commits that are due, and sets the timer for the rest."""
        while self._waiting and len(self._commits) < self._concurrency:
            if len(self._waiting) < self._most and not self._closed:
                if self._timer is None:
                    self._timer = self._set_timer()
                return
            self._start()

    def _set_timer(self) -> asyncio.Handle:
        loop = asyncio.get_running_loop()
        # Idle: at the end of this turn of the loop, so that the requests which came in one gulp go together.
        return loop.call_later(self._wait, self._start) if self._commits else loop.call_soon(self._start)

    def _start(self) -> None:
        self._stop_timer()
        group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        commit = asyncio.create_task(self._commit(group))
        self._commits.add(commit)
        commit.add_done_callback(self._ended)
        self._start_commits()

    def _ended(self, commit: asyncio.Task[None]) -> None:
        self._commits.discard(commit)
        if not self._commits:
            self._stop_timer()
        self._start_commits()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _commit(self, group: Sequence[_Entry]) -> None:
        try:
            kept = await self._insert([entry.message for entry in group], [entry.key for entry in group])
        except AWAY as error:
            log.warning("messages could not be kept", count=len(group), error=f"{type(error).__name__}: {error}")
            for entry in group:
                _refuse(entry, StoreUnavailableError(STORE_AWAY))
        except Exception as error:  # noqa: BLE001  handed to the one whose message it is
            if len(group) == 1:
                _refuse(group[0], error)
                return
            # One that Postgres will not have must not cost the others; halving finds it in a few steps.
            middle = len(group) // 2
            await self._commit(group[:middle])
            await self._commit(group[middle:])
        except BaseException:
            for entry in group:
                entry.kept.cancel()
            raise
        else:
            for entry in group:
                if not entry.kept.done():
                    entry.kept.set_result(entry.message.id in kept)


def _refuse(entry: _Entry, error: Exception) -> None:
    if not entry.kept.done():
        entry.kept.set_exception(error)
