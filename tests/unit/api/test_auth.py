"""api/auth.py"""

from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from api import auth
from api.auth import OPERATOR, Principal
from api.problems import RequestError
from tidings.errors import SettingsError
from tidings.settings import Settings


async def whoever(request: web.Request) -> web.Response:
    return web.Response(text=str(auth.principal(request).user_id))


async def ask(
    settings: Settings, *, method: str = "GET", host: str = "127.0.0.1", **headers: str
) -> web.StreamResponse:
    middleware = auth.authentication(settings, public=frozenset())
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await middleware(make_mocked_request(method, "/", headers={"Host": host, **named}), whoever)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    auth.authentication(Settings(host=host), public=frozenset())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
def test_any_other_address_needs_a_key(host: str) -> None:
    with pytest.raises(SettingsError, match="API_KEY"):
        auth.authentication(Settings(host=host), public=frozenset())
    auth.authentication(Settings(host=host, api_key="secret"), public=frozenset())


@pytest.mark.parametrize("given", ["Bearer secret", "bearer secret", "BEARER  secret "])
async def test_the_key_opens(given: str) -> None:
    assert (await ask(Settings(api_key="secret"), host="example.com", Authorization=given)).status == 200


@pytest.mark.parametrize(
    "given", ["", "secret", "Basic secret", "Bearer", "Bearer wrong", "Bearer secret2", "Bearer sécret"]
)
async def test_nothing_else_does(given: str) -> None:
    with pytest.raises(RequestError) as raised:
        await ask(Settings(api_key="secret"), Authorization=given)
    assert raised.value.status == 401
    assert raised.value.headers["WWW-Authenticate"].startswith("Bearer")
    assert "secret" not in raised.value.detail


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "localhost", "localhost:1"])
async def test_without_a_key_a_loopback_host_is_served(host: str) -> None:
    assert (await ask(Settings(), host=host)).status == 200


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com:8080", "", "[::1", "10.0.0.1"])
async def test_without_a_key_a_foreign_host_name_is_not(host: str) -> None:
    with pytest.raises(RequestError) as raised:
        await ask(Settings(), host=host)
    assert raised.value.status == 403


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)]
)
async def test_without_a_key_other_sites_change_nothing(site: str, status: int) -> None:
    try:
        answered: int = (await ask(Settings(), method="POST", Sec_Fetch_Site=site)).status
    except RequestError as error:
        answered = error.status
    assert answered == status


async def test_other_sites_may_link_here() -> None:
    assert (await ask(Settings(), Sec_Fetch_Site="cross-site")).status == 200


def test_a_user_sees_what_is_theirs() -> None:
    me, other = uuid4(), uuid4()
    assert [Principal(user_id=me).may_see(owner) for owner in (me, other, None)] == [True, False, False]
    assert OPERATOR.may_see(me)
    assert OPERATOR.may_see(None)
