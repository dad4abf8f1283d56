"""The page and its files, as they lie in `static/`.

Nothing that a message holds can become a script here: the policy allows scripts and styles out of our own files only,
none inline, and connections to nobody but us.
"""

from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from api.dashboard import session
from api.http.static_files import StaticFiles
from api.openapi.operation import Access, page

STATIC: Final = Path(__file__).parent / "static"
FRONT: Final = "index.html"

POLICY: Final = {"form-action": "'self'", "require-trusted-types-for": "'script'", "trusted-types": "lit-html"}
_FILES: Final = StaticFiles(STATIC, policy=POLICY)


def wanted_by(request: web.Request) -> bool:
    """Whether a browser asks for a page, rather than a program for JSON."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    return "text/html" in accept and "application/json" not in accept


def front() -> web.FileResponse:
    return _FILES.serve(FRONT)


@page(access=Access.EVERYBODY)
async def file(request: web.Request) -> web.FileResponse:
    """One of its files; they hold nobody's data."""
    return _FILES.serve(request.match_info["name"])


ROUTES: Final = (
    web.get("/dashboard/session", session.get),
    web.post("/dashboard/session", session.log_in),
    web.delete("/dashboard/session", session.log_out),
    web.get("/dashboard/static/{name:.+}", file),
)
"""Not among them is `/`, which programs ask too: `api.compat.messaging_server`."""
