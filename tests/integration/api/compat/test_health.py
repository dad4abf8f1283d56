"""What Job Management System's clients see of the stores, and of a Vault where there is one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from aiohttp.test_utils import TestServer

from api.app import create_app
from tests.e2e.compat.client import Client
from tests.integration.settings.vault_server import running_vault
from tidings.settings import Settings


@asynccontextmanager
async def client_of(settings: Settings) -> AsyncIterator[Client]:
    async with TestServer(create_app(settings)) as server, aiohttp.ClientSession() as session:
        yield Client(session, str(server.make_url("/")).rstrip("/"))


def statuses(services: dict[str, dict[str, str]]) -> dict[str, str]:
    return {service["Name"]: service["Status"] for service in services.values()}


async def test_a_vault_is_one_of_the_services_where_it_is_configured(settings: Settings) -> None:
    with running_vault() as vault:
        async with client_of(msgspec.structs.replace(settings, vault_addr=vault.url)) as client:
            well = await client.get("/health-check")
            assert (well.status, well.json["status"]) == (200, "healthy")
            assert statuses(well.json["services"]) == dict.fromkeys(("postgres", "redis", "vault"), "healthy")
            vault.sealed = True
            sealed = await client.get("/health-check")
            assert (sealed.status, sealed.json["status"]) == (503, "unhealthy")
            assert statuses(sealed.json["services"])["vault"] == "unhealthy"


async def test_a_redis_that_is_away(settings: Settings) -> None:
    async with client_of(msgspec.structs.replace(settings, redis_uri="unix:///nowhere/redis.sock")) as client:
        away = await client.get("/health-check")
        assert (away.status, away.json["status"]) == (503, "unhealthy")
        assert statuses(away.json["services"]) == {"postgres": "healthy", "redis": "unhealthy"}
        assert (await client.get("/health-alive")).status == 200
        assert (await client.get("/healthz/live")).status == 200
