"""A data directory of an older PostgreSQL, upgraded by the real programs, killed in the middle, refused."""

import asyncio
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.embedded.test_embedded import ROOT, execute, refusal, running
from tests.processes import on_directory, until
from tidings.domain.errors import EmbeddedStoreError
from tidings.embedded import installation, upgrade
from tidings.embedded.cluster import PORT, STOP_SIGNALS, USER, is_ready
from tidings.embedded.data_directory import DataDirectory, own_private_directory
from tidings.embedded.postgres import postgres_uri
from tidings.embedded.server import Server

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tidings-upgrade-"))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


async def make(data_dir: Path, major: str, *, killed: bool) -> None:
    """What a tidings with that PostgreSQL left behind: a thousand rows, and a server that stopped, or was killed."""
    directory = DataDirectory(data_dir)
    directory.claim()
    account = installation.postgres_account(directory.cluster)
    programs = await installation.older_postgres_programs(data_dir, account, major=major)
    if programs is None:
        pytest.skip(f"there is no PostgreSQL {major}")
    sockets = directory.socket_directory("postgres")
    for folder in (sockets, directory.cluster):
        own_private_directory(folder, account=account)
    options = ("--auth=trust", "--encoding=UTF8", "--locale=C")
    initdb = Server("initdb", log=data_dir / "initdb.log", stop_signals=STOP_SIGNALS, account=account)
    await initdb.run(
        [programs / "initdb", f"--pgdata={directory.cluster}", f"--username={USER}", *options],
        directory=directory.cluster,
    )
    assert await initdb.ended() == 0
    server = Server("old", log=data_dir / "old.log", stop_signals=STOP_SIGNALS, account=account)
    ways = ("-k", sockets, "-p", str(PORT), "-c", "listen_addresses=")
    await server.run([programs / "postgres", "-D", directory.cluster, *ways], directory=directory.cluster)
    await server.until_ready(partial(is_ready, sockets))
    uri = postgres_uri(directory)
    await execute(uri, "CREATE TABLE kept AS SELECT n, repeat('x', 100) AS text FROM generate_series(1, 1000) AS n")
    if killed:
        assert server._process is not None
        server._process.send_signal(signal.SIGQUIT)
    await server.stop()
    directory.release()


class State(NamedTuple):
    """How a cluster is after its upgrade."""

    major: int
    rows: int
    checksums: str


async def state(uri: str) -> State:
    query = """
    SELECT current_setting('server_version_num')::int / 10000 AS major, (SELECT count(*) FROM kept) AS rows,
           current_setting('data_checksums') AS checksums
    """
    [row] = await execute(uri, query)
    return State(*row)


def left(data_dir: Path) -> list[str]:
    """The clusters there, whole or not."""
    return sorted(path.name for path in data_dir.iterdir() if re.match(r"postgres([.-]|$)", path.name))


async def test_what_a_crash_left_is_upgraded_and_the_old_one_kept(data_dir: Path) -> None:
    await make(data_dir, "16", killed=True)
    # Of upgrades that were interrupted, the last one when all but the renaming was done.
    (data_dir / "postgres.upgrade-x/cluster").mkdir(parents=True)
    (data_dir / "postgres.upgraded").mkdir()
    async with running(data_dir) as stores:
        assert await state(stores.postgres_uri) == (18, 1000, "on")
    assert (data_dir / "postgres-16/PG_VERSION").read_text() == "16\n"
    assert left(data_dir) == ["postgres", "postgres-16"]
    # Killed between the two renamings.
    (data_dir / "postgres").rename(data_dir / "postgres.upgraded")
    async with running(data_dir) as stores:
        assert await state(stores.postgres_uri) == (18, 1000, "on")
    (data_dir / "postgres").rename(data_dir / "failed")
    # Back to the old one, and once more: what is kept is not written over.
    (data_dir / "postgres-16").rename(data_dir / "postgres")
    (data_dir / "postgres-16").mkdir()
    assert "postgres-16: is in the way" in await refusal(data_dir)


async def test_one_that_is_killed_in_the_middle_is_done_again(data_dir: Path) -> None:
    await make(data_dir, "17", killed=False)
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.embedded.holder", str(data_dir)), cwd=ROOT
    )
    log = data_dir / "log/postgres-upgrade.log"
    # It has the old and the new server to start and stop by then.
    await until(lambda: log.exists() and "Performing Upgrade" in log.read_text(), seconds=40)
    holder.kill()
    await holder.wait()
    assert (data_dir / "postgres/PG_VERSION").read_text() == "17\n"
    assert left(data_dir)[0] == "postgres"
    assert left(data_dir)[1].startswith("postgres.upgrade-")
    async with running(data_dir) as stores:
        assert await state(stores.postgres_uri) == (18, 1000, "on")
    assert left(data_dir) == ["postgres", "postgres-17"]
    await until(lambda: on_directory(data_dir) == [])


async def test_refusals_leave_the_cluster_as_it_is(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = DataDirectory(data_dir)
    directory.claim()
    directory.release()
    own_private_directory(directory.cluster, account=installation.postgres_account(directory.cluster))
    version = directory.cluster / "PG_VERSION"
    version.write_text("19\n")
    assert "PostgreSQL 19, this one is 18; start it with the newer tidings" in await refusal(data_dir)
    version.write_text("12\n")
    assert "to upgrade it install PostgreSQL 12 too" in await refusal(data_dir)
    version.write_text("16\n")
    free = shutil.disk_usage(data_dir)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    assert "268 MB must be free there; 1 MB are" in await refusal(data_dir)
    assert version.read_text() == "16\n"


async def test_an_upgrade_that_fails_says_where_to_look(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await make(data_dir, "16", killed=False)
    monkeypatch.setattr(upgrade, "USER", "nobody")
    with pytest.raises(
        EmbeddedStoreError, match=r"pg_upgrade fails: .*see .*postgres-upgrade\.log.*nothing is changed"
    ):
        async with running(data_dir):
            pass
    assert (data_dir / "postgres/PG_VERSION").read_text() == "16\n"
    assert on_directory(data_dir) == []
