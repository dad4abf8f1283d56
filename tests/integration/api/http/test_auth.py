"""api/http/auth.py around all the routes."""

import msgspec
import pytest
from aiohttp import web

from api.app import create_app
from api.openapi.operation import Access, needs_of
from api.routes import ROUTES
from tests.integration.api.client import MESSAGE, Api
from tidings.domain.errors import SettingsError
from tidings.settings import Settings

TOKEN = "a long secret"


@pytest.fixture
def app(settings: Settings) -> web.Application:
    return create_app(msgspec.structs.replace(settings, api_key=TOKEN))


def is_public(route: web.RouteDef) -> bool:
    return needs_of(route.handler).access is Access.EVERYBODY


async def test_every_route_needs_the_token(api: Api) -> None:
    for route in ROUTES:
        if not is_public(route):
            answer = await api.send(route.method, route.path)
            assert answer.status == 401, route
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_what_is_public(api: Api) -> None:
    public = [route.path for route in ROUTES if is_public(route)]
    assert public == [
        "/api/v1/accounts",
        "/api/v1/tokens",
        "/api/v1/password-resets",
        "/api/v1/deletions/{deletion_id}",  # whoever has the id began it, and has no account any more
        "/health",
        "/health/live",
        "/health/ready",
        "/openapi.json",
    ]
    assert (await api.get("/health")).status == 200


async def test_the_token_opens_and_another_does_not(api: Api) -> None:
    for token, status in ((TOKEN, 201), ("another", 401)):
        assert (await api.post("/api/v1/messages", MESSAGE, Authorization=f"Bearer {token}")).status == status
    assert len((await api.get("/api/v1/messages", Authorization=f"Bearer {TOKEN}")).body["messages"]) == 1


async def test_unknown_paths_tell_nothing_to_strangers(api: Api) -> None:
    assert (await api.get("/api/v2")).status == 401


async def test_a_method_that_no_handler_declares_is_for_nobody(api: Api) -> None:
    for method in ("OPTIONS", "DELETE"):
        assert (await api.send(method, "/api/v1/messages")).status == 401
        answer = await api.send(method, "/api/v1/messages", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status == 405


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
def test_no_secret_key_no_open_port(settings: Settings, host: str) -> None:
    elsewhere = msgspec.structs.replace(settings, host=host, api_key=TOKEN)
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        create_app(elsewhere)
    create_app(msgspec.structs.replace(elsewhere, secret_key="k" * 32))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_needs_none(settings: Settings, host: str) -> None:
    create_app(msgspec.structs.replace(settings, host=host))
