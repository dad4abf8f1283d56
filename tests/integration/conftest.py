"""A store on the test's own database."""

from collections.abc import AsyncIterator

import pytest_asyncio

from sql.store import Store
from tidings.settings import Settings


@pytest_asyncio.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = await Store.connect(settings.postgres_uri, process="test", lease_seconds=settings.lease_seconds)
    yield store
    await store.close()
