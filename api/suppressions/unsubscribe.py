"""The page behind the link to unsubscribe, and the click itself (RFC 8058), which needs no login.

Opening the link changes nothing: mail servers and virus scanners open all the links of a mail. Who has the link is
whoever got the mail. A click that comes twice is one.
"""

from html import escape
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import hdrs, web

from api.http.body import go_on
from api.http.resources import SETTINGS, STORE
from api.openapi.operation import Access, page
from tidings.domain.suppression import SuppressionReason
from tidings.security.unsubscribe_tokens import UnsubscribeTokens, Unsubscribing

MAX_FORM: Final = 4096
"""Bytes of what a mail program sends, which is one field; some send it in parts (`multipart/form-data`)."""

log = structlog.get_logger(__name__)

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    hdrs.CACHE_CONTROL: "no-store",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto; padding: 0 1rem }}
button {{ font: inherit; padding: .5rem 1.2rem; cursor: pointer }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""
_ASK: Final = """<p><b>{address}</b> will get no more mail from this sender.</p>
<form method="post">
<button name="List-Unsubscribe" value="One-Click">Unsubscribe</button>
</form>"""


@page(access=Access.EVERYBODY)
async def ask(request: web.Request) -> web.Response:
    """Shows a button."""
    wanted = _wanted(request)
    return _no_link() if wanted is None else _shown("Unsubscribe", _ASK.format(address=escape(wanted.address)))


@page(access=Access.EVERYBODY)
async def unsubscribe(request: web.Request) -> web.Response:
    """Puts the address on its sender's list, from the button or from a mail program."""
    wanted = _wanted(request)
    if wanted is None:
        return _no_link()
    if not await _clicked(request):
        text = "<p>This is not what a mail program sends (RFC 8058). Open the link and use its button.</p>"
        return _shown("Nothing has changed", text, HTTPStatus.BAD_REQUEST)
    put = await request.app[STORE].suppressions.put(
        wanted.user_id, {wanted.address: None}, SuppressionReason.UNSUBSCRIBE, message_id=wanted.message_id
    )
    if put:
        log.info("unsubscribed", message_id=str(wanted.message_id), user_id=str(wanted.user_id))
    text = f"<p><b>{escape(wanted.address)}</b> gets no more mail from this sender.</p>"
    return _shown("You are unsubscribed", text)


async def _clicked(request: web.Request) -> bool:
    if (request.content_length or 0) > MAX_FORM:
        return False
    await go_on(request)
    try:
        return (await request.clone(client_max_size=MAX_FORM).post()).get("List-Unsubscribe") == "One-Click"
    except (ValueError, web.RequestPayloadError, web.HTTPRequestEntityTooLarge):
        # A form that is none.
        return False


def _wanted(request: web.Request) -> Unsubscribing | None:
    return UnsubscribeTokens(request.app[SETTINGS].secret_keys).read(request.match_info["token"])


def _no_link() -> web.Response:
    text = "<p>This link is not whole, or too old. Copy all of it, or ask the sender of the mail.</p>"
    return _shown("This link does not work", text, HTTPStatus.NOT_FOUND)


def _shown(title: str, body: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    text = _PAGE.format(title=title, body=body)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=_HEADERS)


ROUTES: Final = (
    web.get("/unsubscribe/{token}", ask),
    web.post("/unsubscribe/{token}", unsubscribe),
)
