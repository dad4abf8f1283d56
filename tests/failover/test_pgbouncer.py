"""Debian's pgbouncer between tidings and Postgres, which refuses settings and hands sessions around."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from sql import connecting
from sql.connecting import SESSION, Connection, connect, keeps_session
from sql.loader import load_queries
from sql.migrate import migrate
from sql.store import Store
from tests.eventually import eventually
from tests.failover.system import delivered, delivering
from tidings.cli.doctor.finding import Level
from tidings.cli.doctor.postgres import examine
from tidings.domain.errors import SettingsError, StoreRefusedError
from tidings.embedded import EmbeddedStores
from tidings.embedded.cluster import PORT, STOP_SIGNALS, USER
from tidings.embedded.data_directory import DataDirectory
from tidings.embedded.installation import postgres_account
from tidings.embedded.server import Server
from tidings.settings import Settings

PROGRAM = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no pgbouncer (Debian's package of this name)")

CONFIGURATION = """\
[databases]
{database} = host={sockets} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listens}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
"""


@asynccontextmanager
async def pgbouncer(stores: EmbeddedStores, mode: str, database_uri: str, *, password: str = "") -> AsyncIterator[str]:
    """Runs inside the block; its address of the database."""
    assert PROGRAM is not None
    directory = DataDirectory(stores.data_dir)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    file = directory.path / "pgbouncer.ini"
    sockets = directory.socket_directory("postgres")
    file.write_text(
        CONFIGURATION.format(
            database=urlsplit(database_uri).path[1:], sockets=sockets, port=PORT, user=USER, listens=port, mode=mode
        )
    )
    if password:
        users = directory.path / "users.txt"
        users.write_text(f'"{USER}" "{password}"\n')
        users.chmod(0o644)
        file.write_text(file.read_text() + f"auth_type = plain\nauth_file = {users}\n")
    file.chmod(0o644)
    server = Server(
        "pgbouncer",
        log=directory.logs / "pgbouncer.log",
        stop_signals=STOP_SIGNALS,
        account=postgres_account(directory.cluster),
    )
    await server.run([PROGRAM, file], directory=directory.cluster)
    uri = f"postgresql://{USER}@127.0.0.1:{port}{urlsplit(database_uri).path}"
    try:
        await server.until_ready(partial(_opens, port))
        yield uri
    finally:
        connecting._pooled.discard(uri)
        await server.stop()


async def _opens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_all_runs_through_a_pooler(
    settings: Settings, stores: EmbeddedStores, postgres_uri: str, mode: str
) -> None:
    assert await migrate(postgres_uri, past_pooler=True) == []
    async with pgbouncer(stores, mode, postgres_uri) as uri:
        ours = replace(settings, postgres_uri=uri, postgres_listen_uri=postgres_uri)
        store = await Store.connect(uri, process="test", lease_seconds=10, listen_uri=postgres_uri)
        async with delivering(ours):
            # More than once, so that sessions change hands.
            for _ in range(3):
                await delivered(store, 20, within=10)
        # The planner's settings are there, though no connection may bring them.
        for name, value in SESSION.items():
            assert await store.database.one("setting", name=name) == value
        await store.close()


async def test_in_transaction_mode_without_another_address_messages_are_polled_for(
    settings: Settings, stores: EmbeddedStores, postgres_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await migrate(postgres_uri, past_pooler=True) == []
    async with pgbouncer(stores, "transaction", postgres_uri) as uri:
        ours = replace(settings, postgres_uri=uri)
        store = await Store.connect(uri, process="test", lease_seconds=10)
        async with delivering(ours):
            for _ in range(3):
                await delivered(store, 20, within=10)
            diagnosing = await connect(postgres_uri)

            async def leads() -> bool:
                query = load_queries().anybody_leads(diagnosing)
                return bool(await query)

            await eventually(leads, within=10)
        # The lock goes with its producer, though the pooler keeps its connections.
        await eventually(lambda: _nobody(diagnosing), within=10)
        await diagnosing.close()
        await store.close()
        assert "set POSTGRES_LISTEN_URI" in capsys.readouterr().out
        with pytest.raises(SettingsError, match=r"^POSTGRES_LISTEN_URI: must be set for migrations"):
            await migrate(uri)
        warned = {finding.check: finding for finding in await examine(ours)}
        assert warned["listen"].level is Level.WARNING


async def _nobody(connection: Connection) -> bool:
    return not await load_queries().anybody_leads(connection)


async def test_in_session_mode_notifications_are_heard(stores: EmbeddedStores, postgres_uri: str) -> None:
    assert await migrate(postgres_uri, past_pooler=True) == []
    async with pgbouncer(stores, "session", postgres_uri) as uri:
        store = await Store.connect(uri, process="test", lease_seconds=10)
        connection = await store.database.listen({})
        assert await keeps_session(connection, store.database.notify)
        connection.terminate()
        await store.close()


@pytest.mark.parametrize(
    ("password", "change", "says"),
    [
        ("right", ("@", ":wrong@"), "authentication failed"),
        ("right", (f"{USER}@", "somebody:right@"), "authentication failed|no such user"),
        ("", ("?", "?nonsense=1&"), "takes no settings"),
        ("", ("?", "_of_another_name?"), "does not know the database|there is no such database"),
    ],
    ids=["password", "user", "setting", "database"],
)
async def test_what_the_pooler_refuses_ends_a_start_in_one_line(
    stores: EmbeddedStores, postgres_uri: str, password: str, change: tuple[str, str], says: str
) -> None:
    async with pgbouncer(stores, "transaction", postgres_uri, password=password) as uri:
        wrong = f"{uri}?".replace(*change, 1).rstrip("?&")
        with pytest.raises(StoreRefusedError, match=f"^POSTGRES_URI: .*({says})"):
            async with asyncio.timeout(10):
                await Store.connect(wrong, process="test", lease_seconds=10)


async def test_a_migration_through_a_pooler_gives_the_settings_to_the_role(
    stores: EmbeddedStores, postgres_uri: str
) -> None:
    async with pgbouncer(stores, "session", postgres_uri) as uri:
        assert await migrate(uri) == []
    direct = await connect(postgres_uri)
    assert await direct.fetchval("SELECT current_setting('enable_seqscan')") == "off"
    await direct.close()
