"""The Dockerfile: its steps work, and what comes out runs every process as a user without rights."""

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import urlopen

import asyncpg
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from sql.migrate import expected_version
from tests.conftest import fresh_database
from tests.deployment import image
from tests.deployment.files import COMPOSE, ROOT, program, run
from tests.deployment.stack import Stack, new_env
from tests.deployment.test_autoscaling import scaling_query
from tests.eventually import eventually
from tests.integration.api.wire import Wire
from tests.processes import ending
from tidings.embedded import EmbeddedStores

CLIENT = ROOT / "client" / "tidings_client"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the image is Linux"),
    # It is built once, within the first test that wants it.
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    # Not under pytest's own temporary folder, which only its user may enter.
    folder = Path(tempfile.mkdtemp(prefix="tidings-image-"))
    folder.chmod(0o755)
    try:
        yield image.build(folder)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(new_env(tmp_path))


def test_the_linter_has_nothing_against_it() -> None:
    run(program("hadolint"), COMPOSE / "Dockerfile")


def test_its_python_is_one_that_the_package_runs_on_and_one_for_both_stages() -> None:
    (base,) = {stage.base for stage in image.stages()}
    version = re.match(r"python:(\d+\.\d+)", base)
    assert version is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version[1] in SpecifierSet(project["requires-python"])


def test_it_runs_as_a_user_by_number() -> None:
    # By name, Kubernetes could not tell that it is not root.
    _, last = image.stages()
    assert last.all("USER") == ["10001:10001"]
    assert "--uid 10001 --gid 10001" in last.all("RUN")[0]


def test_nothing_else_goes_to_the_builder() -> None:
    for name in ("compose/.env", ".git/config", ".venv/bin/python", "tests/conftest.py", "compose/settings.env"):
        assert image.ignored(name), name
    assert not image.ignored("api/app.py")


def test_the_layer_of_dependencies_has_all_that_the_package_requires(built: Path) -> None:
    locked = locked_versions()
    (package,) = distributions(name="tidings", path=[str(site) for site in built.glob("lib/python*/site-packages")])
    required = [Requirement(text) for text in package.requires or ()]
    wanted = {
        canonicalize_name(requirement.name)
        for requirement in required
        if any(
            requirement.marker is None or requirement.marker.evaluate({"extra": extra})
            for extra in ("", "apprise", "otel")
        )
    }
    assert wanted - {"tidings-client"} <= locked.keys()
    listed = run(sys.executable, COMPOSE / "requirements.py", "apprise", "otel", cwd=ROOT).splitlines()
    for requirement in map(Requirement, listed):
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier, f"{requirement}: run make hashes"


def test_the_layer_of_dependencies_is_what_was_tested_each_file_by_its_hash() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    tested = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert {name: tested.get(name) for name in locked_versions()} == locked_versions(), "run make hashes"
    text = (COMPOSE / "requirements.lock").read_text()
    assert "://" not in text
    for block in re.split(r"(?m)^(?=[a-z])", text)[1:]:
        assert "--hash=sha256:" in block
    (install,) = [step for step in image.stages()[0].all("RUN") if "requirements.lock" in step]
    assert "--require-hashes" in install


def locked_versions() -> dict[NormalizedName, str]:
    """What the image installs on this machine, by name."""
    lines = re.findall(r"(?m)^([a-z0-9._-]+==\S+)( ; .*?)?(?: \\)?$", (COMPOSE / "requirements.lock").read_text())
    requirements = [Requirement("".join(line)) for line in lines]
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in requirements
        if each.marker is None or each.marker.evaluate()
    }


def test_the_package_is_whole(built: Path) -> None:
    """Nothing is left in the checkout that the installed program would miss."""
    (site,) = built.glob("lib/python*/site-packages")
    for room in ("api", "consumers", "producer", "sql", "tidings"):
        there = {str(file.relative_to(ROOT)) for file in (ROOT / room).rglob("*") if _is_content(file)}
        installed = {str(file.relative_to(site)) for file in (site / room).rglob("*") if _is_content(file)}
        assert installed == there
    there = {str(file.relative_to(ROOT / "client")) for file in CLIENT.rglob("*") if _is_content(file)}
    assert {str(file.relative_to(site)) for file in (site / CLIENT.name).rglob("*") if _is_content(file)} == there


def test_it_answers_without_rights_and_without_a_home(built: Path) -> None:
    done = _run(built, {}, "--help")
    assert done.returncode == 0, done.stderr
    assert "migrate" in done.stdout


async def test_it_migrates_and_every_process_becomes_healthy(
    built: Path, stack: Stack, stores: EmbeddedStores, redis_uri: str
) -> None:
    async with fresh_database(stores, "template0") as postgres, _open_to_all(postgres, redis_uri) as addresses:
        migrated = await asyncio.to_thread(_run, built, {"POSTGRES_URI": addresses["POSTGRES_URI"]}, "migrate")
        assert migrated.returncode == 0, migrated.stderr
        assert await _schema_version(postgres) == expected_version()
        metrics = await asyncio.gather(
            *(_becomes_healthy(built, stack.services[name], addresses) for name in ("api", "producer", "consumers"))
        )
        named = re.findall(r"tidings_\w+", scaling_query())
        assert set(named) <= set(re.findall(r"^tidings_\w+", metrics[0], re.MULTILINE))


@asynccontextmanager
async def _open_to_all(postgres_uri: str, redis_uri: str) -> AsyncIterator[dict[str, str]]:
    """The stores at sockets that the user of the image may use; their own are for their owners only."""
    postgres, redis = urlsplit(postgres_uri), urlsplit(redis_uri)
    where = dict(parse_qsl(postgres.query))
    socket_name = f".s.PGSQL.{where['port']}"
    folder = Path(tempfile.mkdtemp(prefix="tidings-sockets-"))
    folder.chmod(0o755)  # noqa: ASYNC240
    try:
        async with (
            Wire.to(Path(where["host"]) / socket_name, folder / socket_name) as to_postgres,
            Wire.to(Path(redis.path), folder / "redis") as to_redis,
        ):
            to_postgres.near.chmod(0o777)
            to_redis.near.chmod(0o777)
            yield {
                "POSTGRES_URI": postgres._replace(query=urlencode({**where, "host": str(folder)})).geturl(),
                "REDIS_URI": redis._replace(path=str(folder / "redis")).geturl(),
            }
    finally:
        shutil.rmtree(folder)


async def _becomes_healthy(built: Path, service: dict[str, Any], addresses: dict[str, str]) -> str:
    """Starts a process of the compose file and makes its health check; then a SIGTERM ends it cleanly.

    Returns the metrics that it shows.
    """
    moved = {"8080": _free_port(), "9464": _free_port()}
    environ = service["environment"] | addresses | {"METRICS_PORT": str(moved["9464"]), "METRICS_HOST": "127.0.0.1"}
    if "PORT" in environ:
        environ |= {"PORT": str(moved["8080"]), "HOST": "127.0.0.1"}
    _, interpreter, *check = service["healthcheck"]["test"]
    (asked,) = re.findall(r"127\.0\.0\.1:(\d+)/", check[-1])
    check[-1] = check[-1].replace(f":{asked}/", f":{moved[asked]}/")
    async with _started(built, environ, *service["command"]) as process:
        await eventually(lambda: _listens(moved[asked]), within=120, every=0.1)
        checking = await asyncio.create_subprocess_exec(built / "bin" / interpreter, *check)
        assert await checking.wait() == 0
        metrics = await asyncio.to_thread(_get, f"http://127.0.0.1:{moved['9464']}/metrics")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    return metrics


@asynccontextmanager
async def _started(built: Path, environ: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    command = _command(built, *arguments)
    async with ending(await asyncio.create_subprocess_exec(*command, env=_environ(built, environ), cwd="/")) as process:
        yield process


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _get(url: str) -> str:
    with urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def _run(built: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(built, *arguments),
        env=_environ(built, environ),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def _command(built: Path, *arguments: str) -> list[str]:
    assert image.stages()[1].all("ENTRYPOINT") == ['["tidings"]']
    return image.without_rights([str(built / "bin" / "tidings"), *arguments])


def _environ(built: Path, environ: dict[str, str]) -> dict[str, str]:
    return {"PATH": f"{built / 'bin'}:/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", **environ}


def _is_content(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def _schema_version(uri: str) -> int:
    connection = await asyncpg.connect(uri)
    try:
        version: int = await connection.fetchval("SELECT max(version) FROM schema_migrations")
    finally:
        await connection.close()
    return version
