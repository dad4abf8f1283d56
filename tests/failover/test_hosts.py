"""An address with several hosts, of which the first answers nothing: its machine is gone, packets are dropped."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from msgspec.structs import replace

from sql import connecting
from sql.connecting import connect
from sql.database import AWAY
from sql.diagnosis import Diagnosis
from sql.migrate import expected_version, migrate
from sql.store import Store
from tests.failover.standby import standby_of
from tests.failover.system import delivered, delivering
from tests.failover.tunnel import Tunnel, dropping_port
from tidings.cli.store import opened
from tidings.domain.errors import StoreRefusedError
from tidings.embedded import EmbeddedStores
from tidings.settings import Settings


def target(uri: str) -> Path:
    query = parse_qs(urlsplit(uri).query)
    return Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}"


def through(uri: str, *ports: int, options: str = "") -> str:
    address = urlsplit(uri)
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"postgresql://{address.netloc.partition('@')[0]}@{hosts}{address.path}{options}"


@pytest_asyncio.fixture
async def tunnel(postgres_uri: str) -> AsyncIterator[Tunnel]:
    async with Tunnel(target(postgres_uri)).running() as running:
        yield running


async def test_everything_that_connects_passes_a_host_that_drops(
    settings: Settings, postgres_uri: str, tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "HOST_SECONDS", 0.5)

    async def pool(uri: str) -> None:
        store = await Store.connect(uri, process="test", lease_seconds=10)
        heard = asyncio.Event()
        listener = await store.database.listen({"tidings_turns": lambda _: heard.set()})
        await store.database.pool.execute("SELECT pg_notify('tidings_turns', '')")
        await heard.wait()
        listener.terminate()
        for connection in (await store.database.unlimited_connection(), await store.database.leading_connection()):
            await connection.close()
        await store.close()

    async def migration(uri: str) -> None:
        assert await migrate(uri) == []

    async def doctor(uri: str) -> None:
        async with Diagnosis.of(uri, timeout=2) as diagnosis:
            assert await diagnosis.schema_version() == expected_version()

    async def command(uri: str) -> None:
        async with opened(replace(settings, postgres_uri=uri)) as store:
            await store.ping()

    with dropping_port() as port:
        for use in (pool, migration, doctor, command):
            # Where none was found before, as in a process that has just started.
            connecting._served.clear()
            async with asyncio.timeout(4):
                await use(through(postgres_uri, port, tunnel.port))


async def test_the_host_that_served_is_tried_first(postgres_uri: str, tunnel: Tunnel) -> None:
    with dropping_port() as port:
        uri = through(postgres_uri, port, tunnel.port)
        async with asyncio.timeout(4):
            await (await connect(uri)).close()
        async with asyncio.timeout(1):
            await (await connect(uri)).close()


async def test_where_no_host_serves_each_says_why(
    postgres_uri: str, tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "HOST_SECONDS", 0.5)
    with dropping_port() as port:
        uri = through(postgres_uri, port, tunnel.port, options="?target_session_attrs=standby")
        with pytest.raises(
            ConnectionError, match=rf":{port}: does not answer within .*; .*:{tunnel.port}: is not the kind"
        ):
            await connect(uri)


async def test_a_login_that_is_refused_is_no_reason_to_go_on(postgres_uri: str, tunnel: Tunnel) -> None:
    uri = through(postgres_uri, tunnel.port, tunnel.port)
    address = urlsplit(uri)
    with pytest.raises(StoreRefusedError):
        await connect(address._replace(path="/nowhere").geturl())
    assert tunnel.connections == 1


async def test_the_promoted_standby_is_reached_when_the_machine_of_the_primary_is_gone(
    settings: Settings, stores: EmbeddedStores, postgres_uri: str, tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.database.PROMPT_SECONDS", 2.0)
    monkeypatch.setattr(connecting, "HOST_SECONDS", 1.0)
    async with standby_of(stores, postgres_uri) as standby, Tunnel(standby.socket).running() as other:
        uri = through(postgres_uri, tunnel.port, other.port)
        settings = replace(settings, postgres_uri=uri)
        store = await Store.connect(uri, process="test", lease_seconds=10)
        async with delivering(settings):
            await delivered(store, 20, within=10)
            primary = await connect(postgres_uri)
            await standby.follows(primary)
            await primary.close()
            tunnel.swallow()
            await standby.promote()
            async with asyncio.timeout(15):
                while True:
                    try:
                        await store.ping()
                    except AWAY:
                        continue
                    break
            await delivered(store, 20, within=15)
        assert other.connections > 0
        await store.close()
