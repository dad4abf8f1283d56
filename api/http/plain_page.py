"""Small pages for whoever opens a link of a mail: no script, nothing from elsewhere, in no frame, kept by nobody."""

from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from api.http.body import go_on

MAX_FORM: Final = 16 * 1024
"""Bytes of a form: a field or two, the longest a password; mail programs send it in parts (`multipart/form-data`)."""
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
button, input {{ font: inherit; padding: .5rem 1.2rem }}
button {{ cursor: pointer }}
label, input {{ display: block; margin: .5rem 0 }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def shown(title: str, body: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """A page; `body` is HTML."""
    text = _PAGE.format(title=title, body=body)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=_HEADERS)


async def field(request: web.Request, name: str) -> str | None:
    """A field of the form that was sent; None where there is none, or no form."""
    if (request.content_length or 0) > MAX_FORM:
        return None
    await go_on(request)
    try:
        value = (await request.clone(client_max_size=MAX_FORM).post()).get(name)
    except (ValueError, web.RequestPayloadError, web.HTTPRequestEntityTooLarge):
        return None
    return value if isinstance(value, str) else None
