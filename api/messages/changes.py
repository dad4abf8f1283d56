"""Bulk changes under way: run by this process, step by step, watched and stopped by any.

In memory: a task for each change that nobody waits for, at most `AT_ONCE`. A process that ends says of its changes that
they were interrupted; of one that dies the record says so itself, after some seconds. The same request goes on then.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import copy
from http import HTTPStatus
from typing import Final
from uuid import UUID

import structlog
from aiohttp import hdrs, web
from msgspec.structs import replace

from api.http.auth import principal
from api.http.body import answer
from api.http.problems import RequestError
from api.http.resources import STORE
from api.messages.schemas import Changed
from api.openapi import examples, parameters, tags
from api.openapi.operation import Access, Answer, Operations
from api.quotas.door import retrying
from api.quotas.errors import OverQuotaError
from api.quotas.quotas import Taken
from sql.changes import Action, Progress, Steps
from sql.database import AWAY, AWAY_SECONDS
from sql.lists import MessageFilter
from sql.store import Store
from tidings.domain.api_key import Scope
from tidings.domain.audit import AuditEntry
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import StoreUnavailableError, describe
from tidings.domain.ids import parse_id

log = structlog.get_logger(__name__)

STEP: Final = 1000
"""Messages in one step, so that no row is locked for long."""
AT_ONCE: Final = 4
LONGEST_WAIT_SECONDS: Final = 5
"""For room in a quota, within the lease of a change; a change that would have to wait longer is interrupted."""
PATH: Final = "/api/v1/changes/"
NO_CHANGE: Final = "there is no such change"

_of_change: Final = Operations(
    tag=tags.MESSAGES,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=(parameters.CHANGE_ID,),
    errors={HTTPStatus.NOT_FOUND: NO_CHANGE},
)


Take = Callable[[int], Awaitable[Taken | None]]


class Change:
    """A bulk change, with its entry in the audit log."""

    def __init__(self, action: Action, wanted: MessageFilter, steps: Steps, entry: AuditEntry) -> None:
        self.action: Action = action
        self.wanted = wanted
        self.entry = entry
        self.count = 0
        self._steps = steps
        self._most = STEP
        self._take: Take | None = None

    def limit(self, take: Take, at_once: int) -> None:
        """Has each step take its messages out of a quota, at most so many at once."""
        self._take, self._most = take, min(STEP, at_once)

    @property
    def done(self) -> bool:
        """Whether nothing is left to change."""
        return self._steps.done

    async def step(self, store: Store, most: int) -> None:
        """Changes up to so many, in one transaction with what the audit log says of it. Raises OverQuotaError."""
        steps, most = copy(self._steps), min(most, self._most)
        # Before the transaction: what is taken may have to be counted first. What was not changed is given back.
        taken = None if self._take is None else await self._take(most)
        with retrying(taken, most) as retried:
            async with store.database.together(unhurried=True):
                retried.count = await steps.step(most)
                count = self.count + retried.count
                if retried.count:
                    await store.audit.put(replace(self.entry, detail={**self.entry.detail, "count": count}))
        # Only once it is committed: else it is done again.
        self._steps, self.count = steps, count


class Changes:
    """The bulk changes that one process makes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, change: Change, *, limit: int) -> Changed:
        """Changes up to so many. What is to be cancelled is not claimed meanwhile, once it is more than one step.

        Raises OverQuotaError where the quota has room for none.
        """
        await change.step(self._store, min(STEP, limit))
        if not change.done and change.count < limit:
            change_id = await self._begin(change)
            try:
                while not change.done and change.count < limit:
                    await change.step(self._store, min(STEP, limit - change.count))
                    if await self._store.changes.renew(change_id, change.count):
                        break
            except OverQuotaError:
                pass  # the answer says that there is more
            finally:
                await self._store.changes.end(change_id, change.count)
        return Changed(count=change.count, more=not change.done)

    async def start(self, change: Change) -> UUID:
        """Begins to change all; returns the id of the change. Raises StoreUnavailableError where too many run."""
        if len(self._running) >= AT_ONCE:
            raise StoreUnavailableError("too many bulk changes are under way")
        change_id = await self._begin(change)
        task = asyncio.create_task(self._go_through(change_id, change), name=f"{change.action} {change_id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return change_id

    async def close(self) -> None:
        """Interrupts what is under way."""
        await cancel_and_wait(*self._running)

    async def _begin(self, change: Change) -> UUID:
        return await self._store.changes.begin(change.action, change.wanted, user_id=change.entry.user_id)

    async def _go_through(self, change_id: UUID, change: Change) -> None:
        try:
            while True:
                try:
                    if await self._store.changes.renew(change_id, change.count) or change.done:
                        await self._store.changes.end(change_id, change.count)
                        return
                    await change.step(self._store, STEP)
                except (StoreUnavailableError, *AWAY) as error:
                    log.warning("a bulk change waits", change=str(change_id), error=describe(error))
                    await asyncio.sleep(AWAY_SECONDS)
                except OverQuotaError as error:
                    if error.retry_after_seconds > LONGEST_WAIT_SECONDS:
                        raise
                    await asyncio.sleep(error.retry_after_seconds)
        except BaseException as error:
            log.warning("a bulk change was interrupted", change=str(change_id), error=describe(error))
            await self._store.changes.interrupt(change_id)
            raise


CHANGES: Final = web.AppKey("changes", Changes)


async def changes(app: web.Application) -> AsyncIterator[None]:
    """Closed before the store is."""
    app[CHANGES] = Changes(app[STORE])
    yield
    await app[CHANGES].close()


@_of_change(answers=Answer("How far it is.", Progress, examples.CHANGE))
async def get(request: web.Request) -> web.Response:
    """Shows how far a bulk change is.

    `state` is `running`, `done`, `stopped` or `interrupted`: then its process has ended, and the same request goes on.
    It is kept for a day.
    """
    return answer(await _found(request))


@_of_change(scope=Scope.MANAGE, answers=Answer("It stops after its present step.", Progress, examples.CHANGE))
async def stop(request: web.Request) -> web.Response:
    """Stops a bulk change; what it has changed stays so."""
    change = await _found(request)
    await request.app[STORE].changes.stop(change.id)
    return answer(await _found(request))


async def started(request: web.Request, change_id: UUID) -> web.Response:
    """The answer to a request for a change that nobody waits for."""
    change = await request.app[STORE].changes.get(change_id)
    return answer(change, status=HTTPStatus.ACCEPTED, headers={hdrs.LOCATION: f"{PATH}{change_id}"})


async def _found(request: web.Request) -> Progress:
    change_id = parse_id(request.match_info["change_id"])
    change = None if change_id is None else await request.app[STORE].changes.get(change_id)
    if change is None or not principal(request).may_see(change.user_id):
        raise RequestError(HTTPStatus.NOT_FOUND, NO_CHANGE)
    return change
