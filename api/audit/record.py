"""Recording a change in the audit log.

    async with together(request):
        queue = await request.app[STORE].queues.set_active(name, active=False)
        await audit(request, Action.QUEUE_STOP, name)

In the block the change and its entry are one transaction. Where a change takes more than that (a password to hash),
the entry comes right after it; if it cannot be written then, the log has the whole entry and the client gets an error.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from aiohttp import web

from api.http.auth import principal
from api.http.peer import client_address
from api.http.principal import Principal
from api.http.resources import STORE
from sql.database import AWAY
from tidings.domain.audit import Action, Actor, AuditEntry
from tidings.domain.errors import describe
from tidings.domain.ids import new_id

log = structlog.get_logger(__name__)

MAX_ADDRESS: Final = 100
MAX_SUBJECT: Final = 200
MAX_TEXT: Final = 200
MAX_LISTED: Final = 20


def together(request: web.Request, *, unhurried: bool = False) -> AbstractAsyncContextManager[None]:
    """A block in which all that is asked of Postgres is one transaction; `unhurried` for changes in bulk."""
    return request.app[STORE].database.together(unhurried=unhurried)


async def audit(
    request: web.Request,
    action: Action,
    subject: object = None,
    *,
    owner: UUID | None = None,
    who: Principal | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Records what was done; `owner` is whose the subject is. No secret may be in `detail`.

    `who` is given where the request needed no credential.
    """
    await keep(request, entry_of(request, action, subject, owner=owner, who=who, detail=detail))


def entry_of(
    request: web.Request,
    action: Action,
    subject: object = None,
    *,
    owner: UUID | None = None,
    who: Principal | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """An entry that is yet to be kept."""
    who = who or principal(request)
    entry_id = new_id()
    return AuditEntry(
        id=entry_id,
        actor=Actor.OPERATOR if who.user_id is None else Actor.USER,
        user_id=who.user_id,
        key_id=None if who.key is None else who.key.id,
        session_id=who.session_id,
        address=str(client_address(request))[:MAX_ADDRESS],
        action=action,
        subject=None if subject is None else str(subject)[:MAX_SUBJECT],
        owner=None if owner == who.user_id else owner,
        detail=bounded(detail or {}),
        # The id's own time, by which the list is filtered.
        created_at=datetime.fromtimestamp((entry_id.int >> 80) / 1000, UTC),
    )


def bounded(value: Any) -> Any:
    """The same, with long texts cut and of long lists only the first ones."""
    match value:
        case str():
            return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…"
        case list() | tuple():
            more = [f"and {len(value) - MAX_LISTED} more"] if len(value) > MAX_LISTED else []
            return [*map(bounded, value[:MAX_LISTED]), *more]
        case Mapping():
            return {name: bounded(each) for name, each in value.items()}
        case _:
            return value


async def keep(request: web.Request, entry: AuditEntry) -> None:
    """Keeps an entry, or what more was done of what it says."""
    try:
        await request.app[STORE].audit.put(entry)
    except AWAY as error:
        log.exception("audit entry not written", entry=entry, error=describe(error))
        raise
