"""The files of a page, each under its own name, with headers that restrict what the browser may do."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiohttp import hdrs, web

from api.http.problems import RequestError

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_HEADERS: Final[Mapping[str, str]] = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Revalidated each time (304): after an upgrade no browser mixes old and new files.
    hdrs.CACHE_CONTROL: "no-cache",
}
_POLICY: Final[Mapping[str, str]] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
"""Scripts and styles out of our own files only, none inline, and connections to nobody but us."""


class StaticFiles:
    """The files of a folder, listed at start. No other file can be reached, however its name is spelled.

    `policy` replaces and adds directives of the content security policy.
    """

    def __init__(self, folder: Path, *, policy: Mapping[str, str] = MappingProxyType({})) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.suffix in _TYPES and path.is_file()
        }
        csp = "; ".join(f"{name} {value}" for name, value in {**_POLICY, **policy}.items())
        self._headers = {**_HEADERS, "Content-Security-Policy": csp}

    def serve(self, name: str) -> web.FileResponse:
        """The file. Raises RequestError where there is none of this name."""
        path = self._files.get(name)
        if path is None:
            raise RequestError(HTTPStatus.NOT_FOUND, "there is no such file")
        return web.FileResponse(path, headers={**self._headers, hdrs.CONTENT_TYPE: _TYPES[path.suffix]})
