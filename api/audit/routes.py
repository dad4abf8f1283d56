"""The audit log: admins see all of it, users what they did and what was done to theirs."""

from typing import Final
from uuid import UUID

from aiohttp import web

from api.audit.schemas import AuditAnswer, AuditList
from api.http.auth import principal
from api.http.body import answer
from api.http.lengths import MAX_NAME, MAX_TIME
from api.http.problems import Fault, InvalidError
from api.http.resources import STORE
from api.messages.listing import DEFAULT_LIMIT, PAGE_PARSERS, cut, parse_created, parse_text, up_to, values_of
from api.openapi import examples, parameters, tags
from api.openapi.operation import Access, Answer, operation
from sql.audit import AuditFilter
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.ids import parse_id


@operation(
    tags.AUDIT,
    access=Access.MEMBERS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=(*parameters.AUDIT_FILTER, *parameters.PAGE),
    answers=Answer("A page.", AuditList, examples.AUDIT),
)
async def list_page(request: web.Request) -> web.Response:
    """Lists who did what, the newest first.

    To queues, accounts, API keys, sessions, holds, suppressions, and messages in bulk. Admins see all, users what they
    did themselves and what others did to theirs.
    """
    values, who = values_of(request.query, _PARSERS), principal(request)
    limit: int = values.pop("limit", DEFAULT_LIMIT)
    before: UUID | None = values.pop("cursor", None)
    if not who.is_admin and values.setdefault("user_id", who.user_id) != who.user_id:
        raise InvalidError([Fault(field="user_id", detail="is another user, whom only an admin may ask for")])
    found = await request.app[STORE].audit.list(AuditFilter(**values), before=before, limit=limit + 1)
    shown, next_cursor = cut(found, limit, lambda entry: entry.id)
    entries = [AuditAnswer.of(entry, whole=who.may_see(entry.user_id)) for entry in shown]
    return answer(AuditList(audit=entries, next_cursor=next_cursor))


def _user_id(text: str) -> UUID:
    user_id = parse_id(text)
    if user_id is None:
        raise ValueError("must be the id of a user")
    return user_id


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Action)}") from None


_PARSERS: Final = {
    "user_id": up_to(MAX_NAME, _user_id),
    "action": up_to(MAX_NAME, _action),
    "subject": up_to(MAX_NAME, parse_text),
    "created_from": up_to(MAX_TIME, parse_created),
    "created_until": up_to(MAX_TIME, parse_created),
    **PAGE_PARSERS,
}
