"""The page at `/swagger/`, and its files.

The policy lets in scripts and styles out of our own files only, none inline. Swagger UI sets styles from its script,
which needs no leave, and has its arrows as `data:` images.
"""

from pathlib import Path
from typing import Final

from aiohttp import web

from api.http.static_files import StaticFiles
from api.openapi.operation import Access, page

FRONT: Final = "index.html"
_FILES: Final = StaticFiles(Path(__file__).parent / "static")


@page(access=Access.EVERYBODY)
async def folder(_request: web.Request) -> web.Response:
    """Redirects to the page, with its last slash."""
    raise web.HTTPPermanentRedirect("/swagger/")


@page(access=Access.EVERYBODY)
async def document(_request: web.Request) -> web.Response:
    """Redirects from an older system's path of the document."""
    raise web.HTTPPermanentRedirect("/openapi.json")


@page(access=Access.EVERYBODY)
async def file(request: web.Request) -> web.FileResponse:
    """The page, or one of its files."""
    return _FILES.serve(request.match_info["name"] or FRONT)


ROUTES: Final = (
    web.get("/swagger", folder),
    web.get("/swagger/doc.json", document),
    web.get("/swagger/{name:.*}", file),
)
