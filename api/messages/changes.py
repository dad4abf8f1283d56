"""Bulk changes under way: run by this process, step by step, watched and stopped by any.

In memory: a task for each change that nobody waits for, at most `AT_ONCE`. A process that ends says of its changes that
they were interrupted; of one that dies the record says so itself, after some seconds. The same request goes on then.
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final
from uuid import UUID

import structlog
from aiohttp import hdrs, web

from api.http.auth import principal
from api.http.body import answer
from api.http.problems import RequestError
from api.http.resources import STORE
from api.messages.schemas import Changed
from api.openapi import examples, parameters, tags
from api.openapi.operation import Access, Answer, Operations
from sql.changes import Action, ChangeStore, Progress, Steps
from sql.database import AWAY, AWAY_SECONDS
from sql.lists import MessageFilter
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import StoreUnavailableError, describe
from tidings.domain.ids import parse_id

log = structlog.get_logger(__name__)

STEP: Final = 1000
"""Messages in one step, so that no row is locked for long."""
AT_ONCE: Final = 4
PATH: Final = "/api/v1/changes/"
NO_CHANGE: Final = "there is no such change"

_of_change: Final = Operations(
    tag=tags.MESSAGES,
    access=Access.MEMBERS,
    parameters=(parameters.CHANGE_ID,),
    errors={HTTPStatus.NOT_FOUND: NO_CHANGE},
)


class Changes:
    """The bulk changes that one process makes."""

    def __init__(self, store: ChangeStore) -> None:
        self._store = store
        self._running: set[asyncio.Task[None]] = set()

    async def run(
        self, steps: Steps, action: Action, wanted: MessageFilter, *, user_id: UUID | None, limit: int
    ) -> Changed:
        """Changes up to so many. What is to be cancelled is not claimed meanwhile, once it is more than one step."""
        count = await steps.step(min(STEP, limit))
        if not steps.done and count < limit:
            change_id = await self._store.begin(action, wanted, user_id=user_id)
            try:
                while not steps.done and count < limit:
                    count += await steps.step(min(STEP, limit - count))
                    if await self._store.renew(change_id, count):
                        break
            finally:
                await self._store.end(change_id, count)
        return Changed(count=count, more=not steps.done)

    async def start(self, steps: Steps, action: Action, wanted: MessageFilter, *, user_id: UUID | None) -> UUID:
        """Begins to change all; returns the id of the change. Raises StoreUnavailableError where too many run."""
        if len(self._running) >= AT_ONCE:
            raise StoreUnavailableError("too many bulk changes are under way")
        change_id = await self._store.begin(action, wanted, user_id=user_id)
        task = asyncio.create_task(self._go_through(change_id, steps), name=f"{action} {change_id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return change_id

    async def close(self) -> None:
        """Interrupts what is under way."""
        await cancel_and_wait(*self._running)

    async def _go_through(self, change_id: UUID, steps: Steps) -> None:
        count = 0
        try:
            while True:
                try:
                    if await self._store.renew(change_id, count) or steps.done:
                        await self._store.end(change_id, count)
                        return
                    count += await steps.step(STEP)
                except (StoreUnavailableError, *AWAY) as error:
                    log.warning("a bulk change waits", change=str(change_id), error=describe(error))
                    await asyncio.sleep(AWAY_SECONDS)
        except BaseException as error:
            log.warning("a bulk change was interrupted", change=str(change_id), count=count, error=describe(error))
            await self._store.interrupt(change_id)
            raise


CHANGES: Final = web.AppKey("changes", Changes)


async def changes(app: web.Application) -> AsyncIterator[None]:
    """Closed before the store is."""
    app[CHANGES] = Changes(app[STORE].changes)
    yield
    await app[CHANGES].close()


@_of_change(answers=Answer("How far it is.", Progress, examples.CHANGE))
async def get(request: web.Request) -> web.Response:
    """Shows how far a bulk change is.

    `state` is `running`, `done`, `stopped` or `interrupted`: then its process has ended, and the same request goes on.
    It is kept for a day.
    """
    return answer(await _found(request))


@_of_change(answers=Answer("It stops after its present step.", Progress, examples.CHANGE))
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
