"""Debian's pgbouncer between tidings and Postgres, which refuses settings and hands sessions around."""

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import asyncpg
import pytest
from msgspec.structs import replace

from sql import connecting
from sql.connecting import SESSION, connect
from sql.migrate import migrate
from sql.store import Store
from tests.failover.system import delivered, delivering
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
* = host={sockets} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listens}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
"""


@asynccontextmanager
async def pgbouncer(stores: EmbeddedStores, mode: str, database_uri: str) -> AsyncIterator[str]:
    """Runs inside the block; its address of the database."""
    assert PROGRAM is not None
    directory = DataDirectory(stores.data_dir)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    file = directory.path / "pgbouncer.ini"
    sockets = directory.socket_directory("postgres")
    file.write_text(CONFIGURATION.format(sockets=sockets, port=PORT, user=USER, listens=port, mode=mode))
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
        await server.until_ready(partial(_answers, uri))
        yield uri
    finally:
        connecting._pooled.discard(uri)
        await server.stop()


async def _answers(uri: str) -> bool:
    try:
        await (await connect(uri)).close()
    except (OSError, asyncpg.PostgresConnectionError):
        return False
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


async def test_a_migration_through_a_pooler_gives_the_settings_to_the_role(
    stores: EmbeddedStores, postgres_uri: str
) -> None:
    async with pgbouncer(stores, "session", postgres_uri) as uri:
        assert await migrate(uri) == []
    direct = await connect(postgres_uri)
    assert await direct.fetchval("SELECT current_setting('enable_seqscan')") == "off"
    await direct.close()
