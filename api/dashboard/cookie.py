"""The cookie of a page: a bearer token that no script can read.

Scripts cannot send it on behalf of other sites either. `SameSite=Strict` keeps it from pages of other sites; a page on
another port of the same host counts as the same site, though, so the browser's own word on where a request comes from
is asked too. Programs have no cookie and are not concerned.
"""

from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from api.accounts.devices import LIFE
from api.http.peer import came_by_https
from api.http.problems import RequestError

NAME: Final = "tidings_session"
HTTPS_NAME: Final = f"__Host-{NAME}"
"""Over https: a browser takes a cookie of such a name from this very host alone, over https, so no neighbour's page or
plain http can put one in its place (RFC 6265bis)."""
_SAFE_METHODS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


def token_of(request: web.Request) -> str | None:
    """The token that the request's cookie holds."""
    return request.cookies.get(_name(request))


def put(response: web.Response, token: str, *, life: timedelta, request: web.Request) -> None:
    """Gives the token to the browser, for as long as it is good."""
    response.set_cookie(
        _name(request),
        token,
        max_age=int(life.total_seconds()),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=came_by_https(request),
    )


def remove(response: web.Response, *, request: web.Request) -> None:
    """Makes the browser forget it."""
    response.del_cookie(_name(request), path="/", httponly=True, samesite="Strict", secure=came_by_https(request))


DEVICE: Final = "tidings_device"
DEVICE_PATH: Final = "/dashboard/session"


def device_of(request: web.Request) -> str | None:
    """What says that somebody logged in with this browser before."""
    return request.cookies.get(DEVICE)


def put_device(response: web.Response, device: str, *, request: web.Request) -> None:
    """Gives the browser what it shows at the next login."""
    response.set_cookie(
        DEVICE,
        device,
        max_age=int(LIFE.total_seconds()),
        path=DEVICE_PATH,
        httponly=True,
        samesite="Strict",
        secure=came_by_https(request),
    )


def require_own_page(request: web.Request) -> None:
    """Raises RequestError for a change that a page of ours did not ask for.

    `Sec-Fetch-Site` says so wherever the connection can be trusted (https, this machine); elsewhere `Origin` does.
    """
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site != "same-origin" if site is not None else _origin(request) != request.host:
        raise RequestError(HTTPStatus.FORBIDDEN, "with the dashboard's cookie only its own pages may change anything")


def _origin(request: web.Request) -> str | None:
    """The host and port of the page that asks; None where the browser does not send it."""
    try:
        return urlsplit(request.headers.get(hdrs.ORIGIN, "")).netloc or None
    except ValueError:
        return None


def _name(request: web.Request) -> str:
    return HTTPS_NAME if came_by_https(request) else NAME
