"""The lists of the older systems, in pages: up to `limit` entries (500 by default and at most), older than `before`.

The originals answered with all they had, which grows without end. Their clients ask without parameters and get the
newest 500; `Link` names the next page (RFC 8288).
"""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from api.http.auth import principal
from api.http.problems import Fault, InvalidError
from api.http.resources import STORE
from api.messages.listing import MAX_LIMIT, parse_limit
from api.openapi import examples
from api.openapi.operation import Parameter
from tidings.domain.ids import parse_id
from tidings.domain.message import Message

_LimitType = Annotated[int, Meta(ge=1, le=MAX_LIMIT, extra_json_schema={"default": MAX_LIMIT})]

PARAMETERS: Final = (
    Parameter("limit", _LimitType, "How many of them at the most.", MAX_LIMIT),
    Parameter("before", UUID, "The id of an entry: those after it in the list.", examples.MESSAGE_ID),
)
NEXT_PAGE: Final = {"Link": "The next page, where there is one (RFC 8288)."}


class Page(msgspec.Struct, frozen=True):
    """Which page a request asks for."""

    limit: int
    before: UUID | None

    @property
    def and_one_more(self) -> int:
        """How many to look up, to know whether there is a next page."""
        return self.limit + 1


def page_of(request: web.Request) -> Page:
    """Reads the parameters; others are not our concern. Raises InvalidError."""
    faults: list[Fault] = []
    limit = MAX_LIMIT
    try:
        limit = parse_limit(request.query.get("limit", str(MAX_LIMIT)))
    except ValueError as error:
        faults.append(Fault(field="limit", detail=str(error)))
    named = request.query.get("before")
    before = None if named is None else parse_id(named)
    if named is not None and before is None:
        faults.append(Fault(field="before", detail="must be the id of an entry"))
    if faults:
        raise InvalidError(faults)
    return Page(limit, before)


def cut(
    request: web.Request, page: Page, found: Sequence[Message], *, more: bool
) -> tuple[Sequence[Message], dict[str, str]]:
    """The page itself, and the header that names the next one, where there is one. `more`: it goes on after `found`."""
    shown = found[: page.limit]
    if not more and len(found) <= len(shown):
        return shown, {}
    following = request.rel_url.update_query(limit=str(page.limit), before=str(shown[-1].id))
    return shown, {"Link": f'<{following}>; rel="next"'}


CHANNEL: Final = "sms"


async def sent_messages(request: web.Request) -> tuple[Sequence[Message], dict[str, str]]:
    """A page of those that the client may see, and the header for the next page. Raises InvalidError."""
    page = page_of(request)
    store = request.app[STORE].messages
    edge: Message | None = None
    if page.before is not None:
        edge = await store.get(page.before)
        if edge is None or edge.sent_at is None or not principal(request).may_see_message(edge):
            raise InvalidError([Fault(field="before", detail="must be the id of an entry")])
    reach = principal(request).reach
    if reach.channels is not None and CHANNEL not in reach.channels:
        return [], {}
    found = await store.sent_sms(reach.user_id, queues=reach.queues, before=edge, limit=page.and_one_more)
    return cut(request, page, found, more=found.more)
