"""A system for a whole file of tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import redis.asyncio

from tests.conftest import fresh_database
from tests.e2e.system import System
from tidings.embedded import EmbeddedStores
from tidings.settings import Settings


@asynccontextmanager
async def fresh_system(
    stores: EmbeddedStores, template_database: str, folder: Path, **environ: str
) -> AsyncIterator[System]:
    """One on empty stores; what is to run is started by whoever asked for it."""
    async with redis.asyncio.Redis.from_url(stores.redis_uri) as client:
        await client.flushall()
    async with fresh_database(stores, template_database) as postgres_uri:
        settings = Settings(postgres_uri=postgres_uri, redis_uri=stores.redis_uri, data_dir=stores.data_dir)
        async with System(settings, folder, **environ) as system:
            yield system
