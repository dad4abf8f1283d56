"""Connections that stay open and lead nowhere any more, and the same address leads to a living store a moment later."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from msgspec.structs import replace
from redis.asyncio import Redis

from api.health.readiness import OK, Readiness
from sql.database import AWAY
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.failover.system import delivered, delivering
from tests.failover.test_hosts import target, through
from tests.failover.tunnel import Tunnel
from tidings.settings import Settings

RECOVERED_WITHIN = 15.0


@pytest_asyncio.fixture
async def postgres_tunnel(postgres_uri: str) -> AsyncIterator[Tunnel]:
    async with Tunnel(target(postgres_uri)).running() as running:
        yield running


async def test_postgres_behind_one_address_is_back_within_15_s(
    settings: Settings, redis: Redis, postgres_uri: str, postgres_tunnel: Tunnel
) -> None:
    uri = through(postgres_uri, postgres_tunnel.port)
    store = await Store.connect(uri, process="api", lease_seconds=10)
    readiness = Readiness(store, redis)
    async with delivering(replace(settings, postgres_uri=uri)):
        await delivered(store, 20, within=10)

        async def ready() -> bool:
            return set((await readiness.all()).values()) == {OK}

        await eventually(ready)
        # Several connections of the API's pool are swallowed, in use and idle.
        await asyncio.gather(*(store.ping() for _ in range(4)))
        asked = asyncio.create_task(keep(store))
        postgres_tunnel.swallow()
        began = asyncio.get_running_loop().time()
        # Truthful, and soon.
        async with asyncio.timeout(5):
            assert (await readiness.all())["postgres"] != OK
        postgres_tunnel.reopen()
        await asyncio.gather(asked, return_exceptions=True)
        while True:
            try:
                await delivered(store, 20, within=RECOVERED_WITHIN)
            except AWAY:
                continue
            break
        assert asyncio.get_running_loop().time() - began < RECOVERED_WITHIN
        await eventually(ready)
    await store.close()


async def test_one_dead_connection_ends_its_idle_siblings(
    postgres_uri: str, postgres_tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.database.PROMPT_SECONDS", 0.5)
    store = await Store.connect(through(postgres_uri, postgres_tunnel.port), process="test", lease_seconds=10, size=4)
    await asyncio.gather(*(store.ping() for _ in range(4)))
    postgres_tunnel.swallow()
    postgres_tunnel.reopen()
    with pytest.raises(TimeoutError):
        await store.ping()
    async with asyncio.timeout(0.4):
        await asyncio.gather(*(store.ping() for _ in range(4)))
    await store.close()


async def test_a_statement_that_is_merely_slow_gets_more_time_each_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.database.PROMPT_SECONDS", 0.2)
    blocking = await store.database.unlimited_connection()
    async with blocking.transaction():
        await blocking.execute("LOCK TABLE batches IN ACCESS EXCLUSIVE MODE")
        for seconds in (0.2, 0.4, 0.8):
            began = asyncio.get_running_loop().time()
            with pytest.raises(TimeoutError):
                await store.messages.under_way()
            assert asyncio.get_running_loop().time() - began >= seconds
            assert store.database._limits["under_way"] == 2 * seconds
    assert await store.messages.under_way() is False
    assert not store.database._limits
    await blocking.close()


async def test_an_answer_is_waited_for_while_nothing_new_is_taken_either(
    postgres_uri: str, postgres_tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a server that is paused: what was asked may well be done."""
    monkeypatch.setattr("sql.database.PROMPT_SECONDS", 0.2)
    monkeypatch.setattr("sql.database.HOST_SECONDS", 0.2)
    store = await Store.connect(through(postgres_uri, postgres_tunnel.port), process="test", lease_seconds=10)
    await store.ping()
    store.database.patience = 2.0
    postgres_tunnel.swallow()
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await store.ping()
    assert asyncio.get_running_loop().time() - began >= 2.0
    assert postgres_tunnel.connections > 2
    await store.close()


async def test_a_demoted_primary_is_left_at_once(store: Store) -> None:
    """Whose connections live on, and take no writes any more."""
    await store.database.pool.execute("SET default_transaction_read_only = on")
    with pytest.raises(AWAY):
        await keep(store)
    assert await keep(store)
