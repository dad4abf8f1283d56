"""Stores that answer, and refuse: at a start that is one line and the end, later it is waited for."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from msgspec.structs import replace

from consumers.consumer import Consumer
from producer.service import serve
from sql.connecting import AWAY, Connection, connect
from sql.store import Store
from tests.e2e.system import System
from tests.eventually import eventually
from tests.failover.system import delivered, delivering
from tests.failover.test_hosts import tunnel
from tests.failover.tunnel import Tunnel
from tests.failover.valkey import valkey
from tidings.domain.errors import StoreRefusedError
from tidings.embedded import EmbeddedStores
from tidings.embedded.cluster import USER
from tidings.embedded.data_directory import DataDirectory
from tidings.redis.connections import connect_redis
from tidings.redis.refusals import check
from tidings.settings import Settings

__all__ = ["tunnel"]

ACCESS = """\
local all refused_by_rule reject
local all has_password,superuser scram-sha-256
"""
ROLES = """
CREATE ROLE refused_by_rule LOGIN;
CREATE ROLE has_password LOGIN PASSWORD 'right';
CREATE ROLE superuser LOGIN SUPERUSER PASSWORD 'right';
CREATE ROLE no_login NOLOGIN;
CREATE ROLE reads_nothing LOGIN;
CREATE ROLE may_not_connect LOGIN;
"""
NAMES = re.findall("ROLE ([a-z_]+)", ROLES)


@pytest_asyncio.fixture
async def admin(stores: EmbeddedStores, postgres_uri: str) -> AsyncIterator[Connection]:
    """A superuser's connection, and the roles; some must bring a password."""
    access = DataDirectory(stores.data_dir).path / "pg_hba.conf"
    before = access.read_text()
    access.write_text(ACCESS + before)
    connection = await connect(postgres_uri)
    try:
        await connection.execute(ROLES)
        await connection.execute("SELECT pg_reload_conf()")
        yield connection
    finally:
        access.write_text(before)
        await connection.execute("SELECT pg_reload_conf()")
        await connection.execute(f"DROP OWNED BY {', '.join(NAMES)}")
        await connection.execute(f"DROP ROLE {', '.join(NAMES)}")
        await connection.close()


def as_role(uri: str, role: str) -> str:
    return uri.replace(f"{USER}@", f"{role}@", 1)


@pytest.mark.parametrize(
    ("login", "says"),
    [
        ("has_password:wrong", "the password is not the role's.*password authentication failed"),
        ("has_password", "the password is not the role's|asks for a login|password"),
        ("nobody", 'this role may not log in from here .role "nobody" does not exist'),
        ("no_login", "this role may not log in from here .*not permitted to log in"),
        ("refused_by_rule", "nothing without TLS|pg_hba.conf rejects"),
        ("may_not_connect", "this role may not use the database .*permission denied for database"),
        ("reads_nothing", "this role may not read the tables .*permission denied"),
    ],
)
async def test_a_login_that_postgres_refuses(admin: Connection, postgres_uri: str, login: str, says: str) -> None:
    if login == "may_not_connect":
        await admin.execute(f'REVOKE CONNECT ON DATABASE "{urlsplit(postgres_uri).path[1:]}" FROM PUBLIC')
    await refused(as_role(postgres_uri, login), says)


async def test_a_database_or_a_setting_that_is_not_there(postgres_uri: str) -> None:
    address = urlsplit(postgres_uri)
    await refused(address._replace(path="/nowhere").geturl(), "there is no such database")
    await refused(f"{postgres_uri}&nonsense=1", "the server does not know a setting .*nonsense")
    await refused(f"{postgres_uri}&work_mem=much", "the server does not take a setting .*work_mem")


async def test_tls_that_the_server_does_not_have(postgres_uri: str, tunnel: Tunnel) -> None:
    address = urlsplit(postgres_uri)
    uri = f"postgresql://{USER}@127.0.0.1:{tunnel.port}{address.path}?sslmode=require"
    await refused(uri, "the server has no TLS, and `sslmode` wants it")


async def test_the_other_address_is_tried_at_the_start_too(admin: Connection, postgres_uri: str) -> None:
    with pytest.raises(StoreRefusedError, match=r"^POSTGRES_LISTEN_URI: the password is not the role's"):
        await Store.connect(
            postgres_uri, process="test", lease_seconds=10, listen_uri=as_role(postgres_uri, "has_password:wrong")
        )


async def refused(uri: str, says: str) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(StoreRefusedError, match=f"^POSTGRES_URI: ({says})"):
            await Store.connect(uri, process="test", lease_seconds=10)


async def test_a_process_ends_with_one_line_and_exit_code_2(
    settings: Settings, admin: Connection, postgres_uri: str, tmp_path: Path
) -> None:
    wrong = replace(settings, postgres_uri=as_role(postgres_uri, "has_password:wrong"))
    async with System(wrong, tmp_path) as system:
        with pytest.raises(AssertionError, match=r"producer ended with 2:\n.*POSTGRES_URI: the password") as raised:
            await system.start_producer()
    assert "Traceback" not in str(raised.value)
    assert "right" not in str(raised.value)


async def test_a_password_that_is_changed_while_processes_run_is_waited_for(
    settings: Settings, admin: Connection, postgres_uri: str
) -> None:
    uri = as_role(postgres_uri, "superuser:right")
    store = await Store.connect(postgres_uri, process="test", lease_seconds=10)
    theirs = await Store.connect(uri, process="test", lease_seconds=10)
    async with delivering(replace(settings, postgres_uri=uri)):
        await delivered(store, 5, within=10)
        await admin.execute("ALTER ROLE superuser PASSWORD 'another'")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'superuser'")

        async def refuses() -> bool:
            try:
                await theirs.ping()
            except StoreRefusedError as error:
                return str(error).startswith("POSTGRES_URI: the password")
            except AWAY:
                return False
            return False

        await eventually(refuses, within=10)
        await admin.execute("ALTER ROLE superuser PASSWORD 'right'")
        await delivered(store, 5, within=15)
    await theirs.ping()
    await theirs.close()
    await store.close()


@pytest.mark.parametrize(
    ("login", "says"),
    [
        ("somebody:wrong@", "the user or the password is wrong"),
        ("", "the user or the password is wrong, or missing"),
        ("few:right@", "this user may not do what is needed"),
        ("all:right@", "there is no database of this number"),
    ],
    ids=["WRONGPASS", "NOAUTH", "NOPERM", "database"],
)
async def test_a_login_that_redis_refuses(settings: Settings, tmp_path: Path, login: str, says: str) -> None:
    async with valkey(tmp_path) as server:
        await server.client.acl_setuser("few", enabled=True, passwords=["+right"], commands=["+ping", "+get"])
        await server.client.acl_setuser("all", enabled=True, passwords=["+right"], categories=["+@all"], keys=["*"])
        await server.client.acl_setuser("default", enabled=False)
        number = 99 if login.startswith("all") else 0
        await refused_by_redis(settings, f"redis://{login}127.0.0.1:{server.port}/{number}", says)


async def test_tls_that_redis_does_not_have(settings: Settings) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        # What a Redis says to what it does not understand.
        writer.write(b"-ERR Protocol error: invalid bulk length\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await refused_by_redis(settings, f"rediss://127.0.0.1:{port}/0", "the server has no TLS")


async def refused_by_redis(settings: Settings, uri: str, says: str) -> None:
    ours = replace(settings, redis_uri=uri)
    async with asyncio.timeout(20):
        with pytest.raises(StoreRefusedError, match=f"^REDIS_URI: {says}"):
            await serve(ours, asyncio.Event())
        with pytest.raises(StoreRefusedError, match=f"^REDIS_URI: {says}"):
            await Consumer.start(ours)


async def test_a_redis_that_is_away_refuses_nothing(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    redis = connect_redis(replace(settings, redis_uri=f"redis://127.0.0.1:{port}/0"))
    await check(redis)
    await redis.aclose()
