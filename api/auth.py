"""Who asks: every request but those to the public handlers carries a principal, or is refused.

Two ways to know: a bearer token, where `API_KEY` is set; otherwise the machine itself, as the API then listens on
loopback only. Another way (accounts, keys of their own) is another `Authenticate`.
"""

from collections.abc import Awaitable, Callable, Container
from functools import lru_cache
from hmac import compare_digest
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from api.problems import RequestError
from tidings.errors import SettingsError
from tidings.settings import Settings


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf a request is served."""

    user_id: UUID | None
    """The user whose messages it is about; None: nobody's in particular, so all."""

    def may_see(self, owner: UUID | None) -> bool:
        """Whether what belongs to the owner may be shown to and changed by the principal."""
        return self.user_id is None or self.user_id == owner


OPERATOR: Final = Principal(user_id=None)
"""Whoever runs the service."""

Authenticate = Callable[[web.Request], Awaitable[Principal]]
"""Tells who asks. Raises RequestError where that is nobody known."""

_PRINCIPAL: Final = web.RequestKey("principal", Principal)
_SAFE_METHODS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


def principal(request: web.Request) -> Principal:
    """On whose behalf this request is served."""
    return request[_PRINCIPAL]


def authentication(settings: Settings, *, public: Container[Handler]) -> Middleware:
    """The middleware that lets known principals in, and everybody to the public handlers.

    Raises SettingsError where the API would be open to other machines.
    """
    authenticate = _authenticator(settings)

    @web.middleware
    async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.handler not in public:
            request[_PRINCIPAL] = await authenticate(request)
        return await handler(request)

    return authenticated


def _authenticator(settings: Settings) -> Authenticate:
    if settings.api_key:
        return _by_api_key(settings.api_key)
    if not _is_loopback(settings.host):
        raise SettingsError(f"HOST: {settings.host} is open to other machines, which needs API_KEY")
    return _same_machine


def _by_api_key(api_key: str) -> Authenticate:
    expected = api_key.encode()

    async def authenticate(request: web.Request) -> Principal:
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthorized("this needs Authorization: Bearer", 'Bearer realm="tidings"')
        if not compare_digest(token.strip().encode("utf-8", "surrogateescape"), expected):
            raise _unauthorized("the token is not valid", 'Bearer realm="tidings", error="invalid_token"')
        return OPERATOR

    return authenticate


async def _same_machine(request: web.Request) -> Principal:
    # A browser on this machine is not its user: pages of others may send requests from there, under a name of theirs
    # that they let point to loopback, or across sites.
    if not _is_loopback_authority(request.host):
        raise RequestError(HTTPStatus.FORBIDDEN, "without API_KEY only requests to a loopback host are served")
    site = request.headers.get("Sec-Fetch-Site")
    if site not in {None, "same-origin", "none"} and request.method not in _SAFE_METHODS:
        raise RequestError(HTTPStatus.FORBIDDEN, "without API_KEY pages of other sites may not change anything")
    return OPERATOR


def _unauthorized(detail: str, challenge: str) -> RequestError:
    return RequestError(HTTPStatus.UNAUTHORIZED, detail, headers={hdrs.WWW_AUTHENTICATE: challenge})


@lru_cache(maxsize=64)
def _is_loopback_authority(authority: str) -> bool:
    try:
        return _is_loopback(urlsplit(f"//{authority}").hostname or "")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
