"""The group commit: what arrives together is kept by one statement, and each caller is answered after it.

Two collections, both of this event loop: `_waiting`, what no commit has taken up yet, at most `backlog`; and
`_commits`, those in flight, at most `concurrency`. A crash loses both, and with them only what its senders got no
answer to. A commit whose confirmation is lost on the way counts as failed: the sender tries again.

The first one goes at once when nothing is in flight; those that come meanwhile gather for `wait` seconds, until `most`
of them are there, or until nothing is in flight again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

import structlog

from api.http.problems import STORE_AWAY
from sql.database import AWAY
from tidings.domain.errors import StoreUnavailableError

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")

MOST: Final = 500
WAIT_SECONDS: Final = 0.003
CONCURRENCY: Final = 3
BACKLOG: Final = 10_000


class _Entry(NamedTuple, Generic[T, R]):
    item: T
    kept: "asyncio.Future[R]"


class GroupCommit(Generic[T, R]):
    """Handlers hand in what is to be kept, and wait until it is committed."""

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        what: str,
        most: int = MOST,
        wait: float = WAIT_SECONDS,
        concurrency: int = CONCURRENCY,
        backlog: int = BACKLOG,
    ) -> None:
        """`commit` keeps all of a group, or nothing, and returns what became of each; `what` are they, in words."""
        self._keep_group = commit
        self._what = what
        self._most = most
        self._wait = wait
        self._concurrency = concurrency
        self._backlog = backlog
        self._waiting: list[_Entry[T, R]] = []
        self._commits: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Handle | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """What no commit has taken up yet."""
        return len(self._waiting)

    async def put(self, item: T) -> R:
        """Returns what became of it, once it is committed.

        Raises StoreUnavailableError where it could not be kept, or that is unknown. A caller that is cancelled
        meanwhile takes nothing back, and disturbs no other.
        """
        [result] = await self.put_all([item])
        return result

    async def put_all(self, items: Sequence[T]) -> list[R]:
        """`put`, of several, which may go in several commits; raises where one of them could not be kept."""
        if self._closed:
            raise StoreUnavailableError("this process is stopping")
        if len(self._waiting) + len(items) > self._backlog:
            raise StoreUnavailableError(f"too many {self._what} are waiting to be kept")
        loop = asyncio.get_running_loop()
        entries: list[_Entry[T, R]] = [_Entry(item, loop.create_future()) for item in items]
        self._waiting += entries
        self._start_commits()
        if len(entries) == 1:
            return [await entries[0].kept]
        results = await asyncio.gather(*(entry.kept for entry in entries), return_exceptions=True)
        kept: list[R] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            kept.append(result)
        return kept

    async def close(self) -> None:
        """Accepts no more; returns when all that was taken is committed or refused."""
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
        # Idle: at the end of this turn of the loop, so that what came in one gulp goes together.
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

    async def _commit(self, group: Sequence[_Entry[T, R]]) -> None:
        try:
            results = await self._keep_group([entry.item for entry in group])
        except AWAY as error:
            error_text = f"{type(error).__name__}: {error}"
            log.warning(f"{self._what} could not be kept", count=len(group), error=error_text)
            for entry in group:
                _refuse(entry, StoreUnavailableError(STORE_AWAY))
        except Exception as error:  # noqa: BLE001  handed to the one whose it is
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
            for entry, result in zip(group, results, strict=True):
                if not entry.kept.done():
                    entry.kept.set_result(result)


def _refuse(entry: _Entry[Any, Any], error: Exception) -> None:
    if not entry.kept.done():
        entry.kept.set_exception(error)
