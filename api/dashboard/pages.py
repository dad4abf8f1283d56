"""The page and its files, as they lie in `static/`.

Nothing that a message holds can become a script here: the policy allows scripts and styles out of our own files only,
none inline, and connections to nobody but us.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from api.openapi.operation import Access, page
from api.problems import RequestError

STATIC: Final = Path(__file__).parent / "static"
FRONT: Final = "index.html"

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types lit-html",
    )
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Asked for each time, answered by 304: after an upgrade nobody has half of the old files.
    hdrs.CACHE_CONTROL: "no-cache",
}

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FILES: Final = {
    path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.suffix in _TYPES and path.is_file()
}
"""Every file that is served, by its name in the URL: no other can be reached, however it is spelled."""


def wanted_by(request: web.Request) -> bool:
    """Whether a browser asks for a page, rather than a program for JSON."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    return "text/html" in accept and "application/json" not in accept


def front() -> web.FileResponse:
    """The page."""
    return _served(FRONT)


@page(access=Access.EVERYBODY)
async def file(request: web.Request) -> web.FileResponse:
    """One of its files; they hold nobody's data."""
    name = request.match_info["name"]
    if name not in _FILES:
        raise RequestError(HTTPStatus.NOT_FOUND, "there is no such file")
    return _served(name)


def _served(name: str) -> web.FileResponse:
    path = _FILES[name]
    return web.FileResponse(path, headers={**HEADERS, hdrs.CONTENT_TYPE: _TYPES[path.suffix]})
