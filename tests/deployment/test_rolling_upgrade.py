"""A rolling upgrade under load: two versions' processes side by side, killed at random, and the way back.

The first version is this program. The second is the same with two migrations more, a column and an index, and a query
that needs them.
"""

import asyncio
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from sql.migrate import expected_version
from tests.chaos.books import Books
from tests.chaos.counting_receiver import Manner
from tests.chaos.flow import Flow
from tests.chaos.receiver import CountingReceiver
from tests.chaos.round import FAR_FUTURE
from tests.e2e.system import Process, System
from tests.eventually import eventually
from tests.released import released_schema, released_version
from tidings.domain.cancellation import cancel_and_wait
from tidings.settings import Settings

ROOT: Final = Path(__file__).parents[2]
RATE: Final = 50.0
"""Messages a second."""
KNOWN: Final = expected_version()
COLUMN: Final = """\
ALTER TABLE messages ADD COLUMN colour text NOT NULL DEFAULT 'red';
CREATE TABLE colours (name text PRIMARY KEY);
CREATE FUNCTION note_colour() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO colours SELECT DISTINCT colour FROM changed ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER messages_coloured AFTER INSERT ON messages
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_colour();
"""
INDEX: Final = """\
-- concurrently
CREATE INDEX messages_colour ON messages (colour, id) WHERE status IN ('pending', 'failed');
"""
QUERY: Final = """
-- name: find_colour(colour)
-- Of a test.
SELECT id FROM messages WHERE colour = :colour LIMIT 1;
"""
PACKAGES: Final = ("api", "consumers", "producer", "sql", "tidings")
MIGRATE: Final = "import sys; from tidings.cli import main; sys.exit(main(['migrate']))"

SHORT: Final = {
    "LEASE_SECONDS": "3",
    "LEASE_RENEWAL_SECONDS": "1",
    "RECONCILE_SECONDS": "0.5",
    "IN_FLIGHT": "16",
    "IN_FLIGHT_PER_DESTINATION": "16",
}


@pytest.fixture
def second(tmp_path: Path) -> dict[str, str]:
    """The environment in which `python -m` runs the second version."""
    tree = tmp_path / "second"
    shutil.copytree(ROOT / "sql", tree / "sql", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / f"sql/migrations/{KNOWN + 1:04}_colour.sql").write_text(COLUMN)
    (tree / f"sql/migrations/{KNOWN + 2:04}_colour_index.sql").write_text(INDEX)
    with (tree / "sql/queries/messages.sql").open("a") as queries:
        queries.write(QUERY)
    for package in PACKAGES:
        if package != "sql":
            (tree / package).symlink_to(ROOT / package)
    return runs(tree)


@pytest.fixture
def released(tmp_path: Path) -> dict[str, str]:
    """The environment in which `python -m` runs the last release, from the tag in the history."""
    tag = f"v{released_version()}"
    tree = tmp_path / "released"
    tree.mkdir()
    packed = tmp_path / "released.tar"
    command = ["git", "-C", str(ROOT), "archive", "--output", str(packed), tag, *PACKAGES]
    if shutil.which("git") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"there is no git, or no tag {tag}: the program of the last release is not to be had")
    with tarfile.open(packed) as archive:
        archive.extractall(tree, filter="data")
    return runs(tree)


def runs(tree: Path) -> dict[str, str]:
    # Before what is installed, and without the working directory.
    return {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}


async def ended(system: System, module: str, folder: Path, **environ: str) -> tuple[int, str]:
    """The exit code of a process that ends by itself, and its last line."""
    process = await Process.start(module, {**system._environ, **environ}, folder / f"ended-{module}.log")
    code = await asyncio.wait_for(process._process.wait(), timeout=30)
    return code, process.log().splitlines()[-1]


async def migrate(system: System, **environ: str) -> str:
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MIGRATE), env={**system._environ, **environ}, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await running.communicate()
    assert running.returncode == 0
    return said.decode()


@asynccontextmanager
async def watched(system: System, url: str) -> AsyncIterator[set[str]]:
    """What readiness says of the schema, all the time."""
    said: set[str] = set()

    async def watch() -> None:
        while True:
            async with system.http.get(f"{url}/health/ready") as response:
                said.add((await response.json())["checks"]["schema"])
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    try:
        yield said
    finally:
        await cancel_and_wait(watching)


@dataclass
class Role:
    """A producer or a consumer of one version, which is killed and started again."""

    system: System
    module: str
    environ: Mapping[str, str]
    process: Process | None = None

    async def start(self) -> None:
        self.process = await self.system.start(self.module, "(producer|consumer) is ready", **self.environ)

    async def kill(self) -> None:
        assert self.process is not None
        await self.process.kill()

    async def kill_and_start(self) -> None:
        await self.kill()
        await self.start()

    async def stop(self) -> None:
        assert self.process is not None
        assert await self.process.stop() == 0


async def balanced(settings: Settings, flow: Flow, receiver: CountingReceiver) -> None:
    """Everything was accepted and delivered, and what came twice said that it might."""
    books = Books(settings.postgres_uri, settings.redis_uri)

    async def settled() -> bool:
        return not await books.unsettled(FAR_FUTURE) and not await books.batches()

    await eventually(settled, within=60, every=0.2)
    balance = await books.balance(flow.accepted, await receiver.arrivals())
    assert not flow.refused
    assert balance.messages > 2 * RATE
    assert (balance.lost, balance.unmarked, balance.faults) == ([], [], [])


@pytest.mark.timeout(240)
async def test_both_versions_deliver_while_they_die_and_the_old_one_comes_back(
    settings: Settings, second: dict[str, str], tmp_path: Path
) -> None:
    rng = random.Random()
    async with CountingReceiver() as receiver, System(settings, tmp_path, **SHORT) as system:
        await receiver.behave(Manner(delay=0.05))
        old = [Role(system, "producer", {}), Role(system, "consumers", {"CONSUMER_NAME": "old"})]
        new = [Role(system, "producer", second), Role(system, "consumers", {"CONSUMER_NAME": "new", **second})]
        await asyncio.gather(system.start_api(), *(role.start() for role in old))
        flow = Flow(system.url, receiver.url, rate=RATE, rng=rng)
        flow.start()
        try:
            async with watched(system, system.url) as schema:
                code, line = await ended(system, "producer", tmp_path, **second)
                assert (code, "run `tidings migrate`" in line) == (2, True), line
                assert f"applied {KNOWN + 2:04}_colour_index" in await migrate(system, **second)
                await asyncio.gather(*(role.start() for role in new))
                doomed = [*old, *new]
                rng.shuffle(doomed)
                for pair in (doomed[:2], doomed[2:]):
                    await asyncio.sleep(rng.uniform(0, 0.5))
                    await asyncio.gather(*(role.kill_and_start() for role in pair))
                # The way back: the old program's migrations too.
                await asyncio.gather(*(role.stop() for role in new))
                assert await migrate(system) == "the schema is up to date\n"
        finally:
            await flow.stop()

        assert schema == {"ok"}
        await balanced(settings, flow, receiver)

        # Had the migration taken something away that the old program uses.
        connection = await asyncpg.connect(settings.postgres_uri)
        await connection.execute("UPDATE schema_migrations SET oldest = $1 WHERE version = $1", KNOWN + 1)
        await connection.close()
        code, line = await ended(system, "consumers", tmp_path)
        assert (code, f"allows programs of {KNOWN + 1} and later" in line) == (3, True), line


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_from_the_last_release_to_this_program(
    settings: Settings, released: dict[str, str], tmp_path: Path
) -> None:
    rng = random.Random()
    connection = await asyncpg.connect(settings.postgres_uri, server_settings={"client_min_messages": "warning"})
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    async with CountingReceiver() as receiver, System(settings, tmp_path, **SHORT) as system:
        await receiver.behave(Manner(delay=0.05))
        assert "applied 0001" in await migrate(system, **released)
        assert await connection.fetchval("SELECT max(version) FROM schema_migrations") == released_schema()
        await connection.close()
        old = [Role(system, "producer", released), Role(system, "consumers", {"CONSUMER_NAME": "old", **released})]
        new = [Role(system, "producer", {}), Role(system, "consumers", {"CONSUMER_NAME": "new"})]
        api = await system.start("api", "api is ready", **released)
        await asyncio.gather(*(role.start() for role in old))
        flow = Flow((await api.says(r"(http://127\.0\.0\.1:\d+)"))[1], receiver.url, rate=RATE, rng=rng)
        flow.start()
        try:
            await asyncio.sleep(rng.uniform(0.5, 1))
            await migrate(system)
            await asyncio.gather(*(role.start() for role in new))
            # A release before schema 28 does not start again under a newer schema.
            knows = released_schema() >= 28
            await asyncio.gather(*(role.kill_and_start() if knows else role.kill() for role in old))
            await asyncio.sleep(rng.uniform(0, 0.5))
            await asyncio.gather(*(role.kill_and_start() for role in new))
            await system.start_api()
            flow._api = system.url
        finally:
            await flow.stop()
        await balanced(settings, flow, receiver)
