"""The list that three of the systems have: text messages that were sent, the last one first."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from api.compat.paging import cut, page_of
from api.http.auth import principal
from api.http.problems import Fault, InvalidError
from api.http.resources import STORE
from tidings.domain.message import Message

CHANNEL: Final = "sms"


async def sent_messages(request: web.Request) -> tuple[Sequence[Message], dict[str, str]]:
    """A page of those that the client may see, and the header for the next page. Raises InvalidError."""
    page = page_of(request)
    store = request.app[STORE].messages
    edge: Message | None = None
    if page.before is not None:
        edge = await store.get(page.before)
        if edge is None or edge.sent_at is None or not principal(request).may_see(edge.user_id):
            raise InvalidError([Fault(field="before", detail="must be the id of an entry")])
    found = await store.sent_sms(principal(request).scope, before=edge, limit=page.and_one_more)
    return cut(request, page, found)
