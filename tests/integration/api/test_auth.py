"""api/auth.py around all the routes."""

import msgspec
import pytest
from aiohttp import web

from api.app import create_app
from api.routes import ROUTES, health
from tests.integration.api.client import MESSAGE, Api
from tidings.errors import SettingsError
from tidings.settings import Settings

TOKEN = "a long secret"


@pytest.fixture
def app(settings: Settings) -> web.Application:
    return create_app(msgspec.structs.replace(settings, api_key=TOKEN))


def is_public(route: web.RouteDef) -> bool:
    return route.handler in health.PUBLIC


async def test_every_route_needs_the_token(api: Api) -> None:
    for route in ROUTES:
        if not is_public(route):
            answer = await api.send(route.method, route.path)
            assert answer.status == 401, route
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_only_health_is_public(api: Api) -> None:
    assert [route.path for route in ROUTES if is_public(route)] == ["/health", "/health/live", "/health/ready"]
    assert (await api.get("/health")).status == 200


async def test_the_token_opens_and_another_does_not(api: Api) -> None:
    for token, status in ((TOKEN, 201), ("another", 401)):
        assert (await api.post("/api/v1/messages", MESSAGE, Authorization=f"Bearer {token}")).status == status
    assert len((await api.get("/api/v1/messages", Authorization=f"Bearer {TOKEN}")).body["messages"]) == 1


async def test_unknown_paths_tell_nothing_to_strangers(api: Api) -> None:
    assert (await api.get("/api/v2")).status == 401


def test_no_token_no_open_port(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="API_KEY"):
        create_app(msgspec.structs.replace(settings, host="0.0.0.0"))
