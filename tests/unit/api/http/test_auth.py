"""api/http/auth.py"""

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler

from api.accounts.services import Accounts
from api.http import auth
from api.http.peer import PEERS, Peers
from api.http.principal import Principal
from api.http.problems import RequestError
from api.http.resources import ACCOUNTS
from api.openapi.operation import Access, UndocumentedError, page
from tidings.domain.account import Role
from tidings.domain.api_key import Scope
from tidings.settings import Settings

HERE = Settings(trust_this_machine=True)
ADA = Principal(user_id=uuid4(), role=Role.USER, channels=frozenset({"email"}))


class Credentials:
    """Knows one user, or none."""

    def __init__(self, known: dict[str, Principal]) -> None:
        self._known = known

    async def principal(self, credential: str) -> Principal | None:
        return self._known.get(credential)

    async def anybody(self) -> bool:
        return bool(self._known)


@page(access=Access.MEMBERS, scope=Scope.READ)
async def whoever(request: web.Request) -> web.Response:
    return web.Response(text=str(auth.principal(request).user_id))


@page(access=Access.EVERYBODY)
async def open_to_all(_request: web.Request) -> web.Response:
    return web.Response()


@page(access=Access.ADMINS, scope=Scope.READ)
async def for_admins(_request: web.Request) -> web.Response:
    """Checks nothing itself."""
    return web.Response()


async def ask(
    settings: Settings,
    *,
    method: str = "GET",
    host: str = "127.0.0.1",
    peer: str = "127.0.0.1",
    handler: Handler = whoever,
    users: dict[str, Principal] | None = None,
    **headers: str,
) -> web.StreamResponse:
    middleware = auth.authentication(settings)
    app = web.Application()
    app[ACCOUNTS] = cast(Accounts, SimpleNamespace(credentials=Credentials(users or {})))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    app[PEERS] = Peers(settings)
    transport = Mock()
    transport.get_extra_info = {"peername": (peer, 50_000)}.get
    request = make_mocked_request(method, "/", headers={"Host": host, **named}, app=app, transport=transport)
    cast(Any, request.match_info.route).handler = handler  # a mock
    return await middleware(request, handler)


async def refused(settings: Settings, **how: Any) -> RequestError:
    with pytest.raises(RequestError) as raised:
        await ask(settings, **how)
    return raised.value


@pytest.mark.parametrize("given", ["Bearer secret", "bearer secret", "BEARER  secret "])
async def test_the_key_opens(given: str) -> None:
    assert (await ask(Settings(api_key="secret"), host="example.com", Authorization=given)).status == 200


@pytest.mark.parametrize(
    "given", ["", "secret", "Basic secret", "Bearer", "Bearer wrong", "Bearer secret2", "Bearer sécret"]
)
async def test_nothing_else_does(given: str) -> None:
    error = await refused(Settings(api_key="secret"), Authorization=given)
    assert error.status == 401
    assert error.headers["WWW-Authenticate"].startswith("Bearer")
    assert "secret" not in error.detail


@pytest.mark.parametrize("settings", [Settings(), Settings(api_key="secret"), Settings(host="0.0.0.0")])
async def test_a_users_token_is_honoured_everywhere(settings: Settings) -> None:
    answered = await ask(settings, users={"adas": ADA}, Authorization="Bearer adas", host="example.com")
    assert isinstance(answered, web.Response)
    assert answered.text == str(ADA.user_id)
    assert (await refused(settings, users={"adas": ADA}, Authorization="Bearer bobs")).status == 401


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "localhost", "localhost:1"])
async def test_without_a_key_a_loopback_host_is_served(host: str) -> None:
    assert (await ask(HERE, host=host)).status == 200


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com:8080", "", "[::1", "10.0.0.1"])
async def test_without_a_key_a_foreign_host_name_is_not(host: str) -> None:
    assert (await refused(HERE, host=host)).status == 403


async def test_without_a_key_this_machine_is_the_operator_until_there_are_accounts() -> None:
    assert (await ask(HERE, handler=for_admins)).status == 200
    assert (await refused(HERE, users={"adas": ADA})).status == 401


@pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(trust_this_machine=True, trusted_proxies=("127.0.0.1",)), Settings(api_key="secret")],
)
async def test_this_machine_is_only_trusted_where_no_stranger_can_be_behind_it(settings: Settings) -> None:
    assert (await refused(settings)).status == 401


async def test_this_machine_is_trusted_where_strangers_cannot_register() -> None:
    assert (await ask(Settings(registration="closed"))).status == 200


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP"],
)
async def test_what_a_proxy_passes_on_is_not_of_this_machine(header: str) -> None:
    """The host name that a client sends says nothing: it may send that of loopback through the proxy."""
    assert (await refused(HERE, handler=for_admins, **{header: "127.0.0.1"})).status == 401


async def test_a_loopback_host_from_another_machine_is_not_this_one() -> None:
    assert (await refused(HERE, peer="10.0.0.7")).status == 401
    assert (await ask(HERE, peer="::1")).status == 200


async def test_nobody_is_the_operator_of_an_open_port() -> None:
    assert (await refused(Settings(host="0.0.0.0"))).status == 401


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)]
)
@pytest.mark.parametrize("handler", [whoever, open_to_all])
async def test_without_a_key_other_sites_change_nothing(handler: Handler, site: str, status: int) -> None:
    try:
        answered: int = (await ask(HERE, method="POST", handler=handler, Sec_Fetch_Site=site)).status
    except RequestError as error:
        answered = error.status
    assert answered == status


async def test_other_sites_may_link_here() -> None:
    assert (await ask(HERE, Sec_Fetch_Site="cross-site")).status == 200


async def undeclared(_request: web.Request) -> web.Response:
    raise AssertionError("reached")


async def test_without_a_declaration_nobody_gets_in() -> None:
    with pytest.raises(UndocumentedError):
        await ask(Settings(api_key="k"), handler=undeclared, Authorization="Bearer k")


async def test_what_is_for_admins() -> None:
    admin = Principal(user_id=uuid4(), role=Role.ADMIN, channels=None)
    users = {"adas": ADA, "admins": admin}
    assert (await ask(Settings(), handler=for_admins, users=users, Authorization="Bearer admins")).status == 200
    assert (await refused(Settings(), handler=for_admins, users=users, Authorization="Bearer adas")).status == 403
    assert (await ask(Settings(api_key="k"), handler=for_admins, Authorization="Bearer k")).status == 200
