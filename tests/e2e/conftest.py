"""A system and a gateway for each test; the test starts the processes that it wants."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tidings.settings import Settings


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[CountingGateway]:
    async with CountingGateway() as running:
        yield running


@pytest_asyncio.fixture
async def system(settings: Settings, gateway: CountingGateway, tmp_path: Path) -> AsyncIterator[System]:
    async with System(settings, tmp_path, WEBHOOK_URL=gateway.url) as started:
        yield started
