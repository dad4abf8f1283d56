"""The page behind the link to unsubscribe, and the click itself (RFC 8058), which needs no login.

Opening the link changes nothing: mail servers and virus scanners open all the links of a mail. Who has the link is
whoever got the mail. A click that comes twice is one.
"""

from html import escape
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from api.http.plain_page import field, shown
from api.http.resources import SETTINGS, STORE
from api.openapi.operation import Access, page
from tidings.domain.suppression import SuppressionReason
from tidings.security.unsubscribe_tokens import UnsubscribeTokens, Unsubscribing

log = structlog.get_logger(__name__)

_ASK: Final = """<p><b>{address}</b> will get no more mail from this sender.</p>
<form method="post">
<button name="List-Unsubscribe" value="One-Click">Unsubscribe</button>
</form>"""


@page(access=Access.EVERYBODY)
async def ask(request: web.Request) -> web.Response:
    """Shows a button."""
    wanted = _wanted(request)
    return _no_link() if wanted is None else shown("Unsubscribe", _ASK.format(address=escape(wanted.address)))


@page(access=Access.EVERYBODY)
async def unsubscribe(request: web.Request) -> web.Response:
    """Puts the address on its sender's list, from the button or from a mail program."""
    wanted = _wanted(request)
    if wanted is None:
        return _no_link()
    if not await _clicked(request):
        text = "<p>This is not what a mail program sends (RFC 8058). Open the link and use its button.</p>"
        return shown("Nothing has changed", text, HTTPStatus.BAD_REQUEST)
    put = await request.app[STORE].suppressions.put(
        wanted.user_id, {wanted.address: None}, SuppressionReason.UNSUBSCRIBE, message_id=wanted.message_id
    )
    if put:
        log.info("unsubscribed", message_id=str(wanted.message_id), user_id=str(wanted.user_id))
    text = f"<p><b>{escape(wanted.address)}</b> gets no more mail from this sender.</p>"
    return shown("You are unsubscribed", text)


async def _clicked(request: web.Request) -> bool:
    return await field(request, "List-Unsubscribe") == "One-Click"


def _wanted(request: web.Request) -> Unsubscribing | None:
    return UnsubscribeTokens(request.app[SETTINGS].secret_keys).read(request.match_info["token"])


def _no_link() -> web.Response:
    text = "<p>This link is not whole, or too old. Copy all of it, or ask the sender of the mail.</p>"
    return shown("This link does not work", text, HTTPStatus.NOT_FOUND)


ROUTES: Final = (
    web.get("/unsubscribe/{token}", ask),
    web.post("/unsubscribe/{token}", unsubscribe),
)
