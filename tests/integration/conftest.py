"""A store on the test's own database, and a client of its Redis."""

from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from sql.store import Store
from tidings.redis.connections import connect_redis
from tidings.settings import Settings


@pytest_asyncio.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = await Store.connect(settings.postgres_uri, process="test", lease_seconds=settings.lease_seconds)
    yield store
    await store.close()


@pytest_asyncio.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client = connect_redis(settings)
    yield client
    await client.aclose()
