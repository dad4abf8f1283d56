"""One system and one gateway for all tests of a file: what a test of its own costs is its requests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.compat.client import Client
from tests.e2e.compat.running import fresh_system
from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tidings.embedded import EmbeddedStores


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[CountingGateway]:
    async with CountingGateway() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(
    stores: EmbeddedStores,
    template_database: str,
    gateway: CountingGateway,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("system")
    async with fresh_system(
        stores, template_database, folder, WEBHOOK_URL=gateway.url, PROVIDER_RECORDS="true"
    ) as fresh:
        await fresh.start_all(consumers=1)
        yield fresh


@pytest.fixture(scope="module")
def client(system: System) -> Client:
    return Client(system.http, system.url)
