"""Stores for the tests: one PostgreSQL and one Redis for the whole session, a database of its own for each test."""

import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio
import structlog
from hypothesis import settings as hypothesis_settings

from sql.migrate import migrate
from tidings.embedded import EmbeddedStores
from tidings.settings import Settings

TEMPLATE = "template_for_tests"

# How long one example takes says more of the machine than of the code.
hypothesis_settings.register_profile("tests", deadline=None)
hypothesis_settings.load_profile("tests")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Whoever routes all logging somewhere, as each process does at its start, does so for one test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stores() -> AsyncIterator[EmbeddedStores]:
    """Embedded stores in a fresh directory, gone after the session."""
    # Not under pytest's own temporary folder, which only its user may enter: Postgres may run as another account.
    folder = Path(tempfile.mkdtemp(prefix="tidings-tests-"))
    folder.chmod(0o711)  # noqa: ASYNC240
    running = EmbeddedStores(folder / "data")
    try:
        await running.start()
        # Only a crash of the machine would need it, and it makes a database for each test dear.
        await _sync(running, "off")
        yield running
    finally:
        await running.stop()
        shutil.rmtree(folder)


@pytest_asyncio.fixture
async def durable(stores: EmbeddedStores) -> AsyncIterator[None]:
    """Postgres as it is started, for those who look at how it is set."""
    await _sync(stores, "on")
    yield
    await _sync(stores, "off")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template_database(stores: EmbeddedStores) -> str:
    """Name of a database with the newest schema, from which each test gets its own."""
    await _administer(stores, f"CREATE DATABASE {TEMPLATE}")
    await migrate(_database_uri(stores, TEMPLATE))
    return TEMPLATE


@pytest_asyncio.fixture
async def postgres_uri(stores: EmbeddedStores, template_database: str) -> AsyncIterator[str]:
    """A database of the test's own, migrated and empty."""
    async with fresh_database(stores, template_database) as uri:
        yield uri


@pytest_asyncio.fixture
async def redis_uri(stores: EmbeddedStores) -> str:
    """The session's Redis, emptied."""
    client = redis.asyncio.Redis.from_url(stores.redis_uri)
    await client.flushall()
    await client.aclose()
    return stores.redis_uri


@pytest.fixture
def settings(postgres_uri: str, redis_uri: str, stores: EmbeddedStores) -> Settings:
    """Settings wired to both stores, with a consumer name of the test's own."""
    return Settings(
        postgres_uri=postgres_uri,
        redis_uri=redis_uri,
        data_dir=stores.data_dir,
        port=0,
        environment="development",
        webhook_unsigned=True,
        trust_this_machine=True,
        # Where the receivers and mail servers of the tests are.
        webhook_allow_cidrs=("127.0.0.0/8", "::1/128"),
        smtp_allow_cidrs=("127.0.0.0/8", "::1/128"),
        consumer_name=f"consumer-{uuid4().hex[:8]}",
    )


@asynccontextmanager
async def fresh_database(stores: EmbeddedStores, template: str) -> AsyncIterator[str]:
    """A copy of the template, gone after the block."""
    name = f"test_{uuid4().hex}"
    await _administer(stores, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield _database_uri(stores, name)
    finally:
        await _administer(stores, f"DROP DATABASE {name} WITH (FORCE)")


def _database_uri(stores: EmbeddedStores, name: str) -> str:
    return urlsplit(stores.postgres_uri)._replace(path=f"/{name}").geturl()


async def _sync(stores: EmbeddedStores, switch: str) -> None:
    for setting in ("fsync", "full_page_writes"):
        await _administer(stores, f"ALTER SYSTEM SET {setting} = {switch}")
    await _administer(stores, "SELECT pg_reload_conf()")


async def _administer(stores: EmbeddedStores, statement: str) -> None:
    connection = await asyncpg.connect(_database_uri(stores, "postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
