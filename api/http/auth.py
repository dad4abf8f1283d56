"""Authentication: who asks, and whether the handler declares itself open to them.

The one place where access is enforced. A handler declares it (`@operation(access=…, scope=…)`, `@page(…)`); without a
declaration it cannot be routed. Handlers check only what depends on which thing it is: whose, of which channel, in
which queue (`require_reach`).

`Authorization: Bearer` brings one of three: the operator's `API_KEY`, a user's token, or a user's API key; a page of
the dashboard brings a user's token in its cookie. Without a credential, a program on this machine is the operator if
there is no `API_KEY`, the API listens on loopback without a proxy before it, there are no accounts yet, and no stranger
may make one, or `TRUST_THIS_MACHINE` says so.
"""

from hmac import compare_digest
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from api.dashboard import cookie
from api.http.peer import is_loopback_authority, is_this_machine
from api.http.principal import OPERATOR, Principal
from api.http.problems import RequestError
from api.http.resources import ACCOUNTS
from api.openapi.operation import Access, Needs, needs_of
from tidings.settings import Settings

NO_CREDENTIAL: Final = "this needs Authorization: Bearer"
PASSED_ON: Final = "this needs Authorization: Bearer, as a proxy has passed it on"
NOT_ADMIN: Final = "this is for an admin to do"
NO_SCOPE: Final = "this API key has not the scope that this needs: {scope}"
LIMITED_KEY: Final = "this API key is limited to some channels or queues, and this concerns others too"
FOREIGN_PAGE: Final = "without API_KEY pages of other sites may not change anything"

_PRINCIPAL: Final = web.RequestKey("principal", Principal)
SAFE_METHODS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


def principal(request: web.Request) -> Principal:
    """On whose behalf this request is served."""
    return request[_PRINCIPAL]


def require_reach(request: web.Request, *, channel: str | None = None, queue: str | None = None) -> None:
    """Raises RequestError for an API key that is not for this channel or queue; None: for all of them."""
    if not principal(request).reaches(channel=channel, queue=queue):
        raise RequestError(HTTPStatus.FORBIDDEN, LIMITED_KEY)


async def authenticate_again(request: web.Request) -> None:
    """Checks again, for responses that last. Raises RequestError if the client may no longer use the handler."""
    await request[_AUTHENTICATOR].admit(request)


def authentication(settings: Settings) -> Middleware:
    """The middleware that enforces the access that the matched handler declares."""
    authenticator = Authenticator(settings)

    @web.middleware
    async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[_AUTHENTICATOR] = authenticator
        await authenticator.admit(request)
        return await handler(request)

    return authenticated


class Authenticator:
    """Knows principals by their credentials, and lets them use what is declared to be for them."""

    def __init__(self, settings: Settings) -> None:
        self._api_key = settings.api_key.encode()
        asked_for = settings.trust_this_machine or settings.registration == "closed"
        self._trusts_this_machine = not self._api_key and settings.only_this_machine_asks and asked_for

    async def admit(self, request: web.Request) -> None:
        """Gives the request its principal. Raises RequestError if it may not use the handler."""
        # An unknown path or method says nothing to strangers, not even that.
        unmatched = request.match_info.http_exception is not None
        needs = None if unmatched else needs_of(request.match_info.handler)
        if needs is not None and needs.access is Access.EVERYBODY:
            if self._trusts_this_machine and request.method not in SAFE_METHODS:
                _refuse_foreign_pages(request)
            return
        found = await self._authenticate(request)
        if needs is not None:
            _refuse_beyond(needs, found)
        request[_PRINCIPAL] = found

    async def _authenticate(self, request: web.Request) -> Principal:
        """Returns the principal of a request. Raises RequestError for an unknown credential, or none."""
        credential = _bearer(request)
        if credential is None:
            return await self._by_cookie(request) or await self._without_credential(request)
        if self._api_key and compare_digest(credential.encode("utf-8", "surrogateescape"), self._api_key):
            return OPERATOR
        found = await request.app[ACCOUNTS].credentials.principal(credential)
        if found is None:
            raise _unauthorized("the token is not valid", 'Bearer realm="tidings", error="invalid_token"')
        return found

    async def _by_cookie(self, request: web.Request) -> Principal | None:
        """Who logged in to the dashboard. An invalid cookie counts as none."""
        token = cookie.token_of(request)
        found = await request.app[ACCOUNTS].credentials.principal(token) if token else None
        if found is not None:
            cookie.require_own_page(request)
        return found

    async def _without_credential(self, request: web.Request) -> Principal:
        if not self._trusts_this_machine:
            raise _unauthorized(NO_CREDENTIAL)
        if not is_this_machine(request):
            raise _unauthorized(PASSED_ON)
        _refuse_foreign_pages(request)
        if await request.app[ACCOUNTS].credentials.anybody():
            raise _unauthorized("there are accounts here, so this needs Authorization: Bearer")
        return OPERATOR


_AUTHENTICATOR: Final = web.RequestKey("authenticator", Authenticator)


def _refuse_beyond(needs: Needs, found: Principal) -> None:
    """Raises RequestError where the principal's role, scopes or limits do not reach."""
    if needs.access is Access.ADMINS and not found.is_admin:
        raise RequestError(HTTPStatus.FORBIDDEN, NOT_ADMIN)
    if needs.scope not in found.scopes:
        raise RequestError(HTTPStatus.FORBIDDEN, NO_SCOPE.format(scope=needs.scope))
    if needs.whole and not found.reaches():
        raise RequestError(HTTPStatus.FORBIDDEN, LIMITED_KEY)


def _bearer(request: web.Request) -> str | None:
    scheme, _, credential = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else None


def _refuse_foreign_pages(request: web.Request) -> None:
    # A browser on this machine is not its user: pages of others may send requests from there, under a name of theirs
    # that they let point to loopback, or across sites.
    if not is_loopback_authority(request.host):
        raise RequestError(HTTPStatus.FORBIDDEN, "without API_KEY only requests to a loopback host are served")
    site = request.headers.get("Sec-Fetch-Site")
    if site not in {None, "same-origin", "none"} and request.method not in SAFE_METHODS:
        raise RequestError(HTTPStatus.FORBIDDEN, FOREIGN_PAGE)


def _unauthorized(detail: str, challenge: str = 'Bearer realm="tidings"') -> RequestError:
    return RequestError(HTTPStatus.UNAUTHORIZED, detail, headers={hdrs.WWW_AUTHENTICATE: challenge})
