"""`make dist`: both wheels are whole, install into a bare environment, and send a message from there."""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.deployment.files import ROOT, run
from tests.deployment.image import link_dependencies

pytestmark = pytest.mark.timeout(300)

SENDS = """
import sys
from tidings_client import Client

with Client(sys.argv[1]) as tidings:
    message = tidings.send("echo", "log", "from a wheel")
    print(tidings.wait(message.id, timeout=30).status)
"""
SERVES = """
import subprocess, sys
from tidings_client.testing import running

with running() as server:
    print(subprocess.check_output([sys.argv[1], "-c", sys.argv[2], server.url], text=True), end="")
"""
WITHOUT_PIP = ("-m", "venv", "--without-pip")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not under pytest's own temporary folder, which only its user may enter: Postgres may run as another account.
    folder = Path(tempfile.mkdtemp(prefix="tidings-wheels-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def wheels(folder: Path) -> list[Path]:
    """As `make dist` builds them, of a copy, so that it leaves nothing behind."""
    copy = folder / "checkout"
    names = ("api", "client", "consumers", "producer", "sql", "tidings")
    for name in names:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "kubernetes").mkdir()
    shutil.copy(ROOT / "kubernetes" / "cluster.mk", copy / "kubernetes")
    run("make", "dist", f"BIN={Path(sys.executable).parent}", cwd=copy)
    return sorted((copy / "dist").iterdir())


def environment(folder: Path, name: str, *wheels: Path) -> Path:
    """A bare environment with these wheels; answers its Python. What they depend on is linked from here."""
    made = folder / name
    run(sys.executable, *WITHOUT_PIP, made)
    python = made / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", *wheels)
    return python


def link_all(python: Path) -> None:
    link_dependencies(python.parents[1], python.parents[1] / "linked")


def link_only(python: Path, *names: str) -> None:
    """The distributions of these names, and all that they depend on."""
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    wanted, linked = [*names], set[str]()
    while wanted:
        found = distribution(wanted.pop())
        if found.name in linked:
            continue
        linked.add(found.name)
        for each in {Path(str(file)).parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            (site / each).symlink_to(Path(sysconfig.get_path("purelib")) / each)
        required = map(Requirement, found.requires or ())
        wanted += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]


@pytest.mark.slow
def test_each_has_its_own_and_nothing_of_the_other(wheels: list[Path]) -> None:
    tops = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as file:
            names = file.namelist()
        tops.append({name.partition("/")[0] for name in names if ".dist-info/" not in name})
        assert not [name for name in names if "tests" in name.split("/")]
    assert tops == [{"api", "consumers", "producer", "sql", "tidings"}, {"tidings_client"}]


@pytest.mark.slow
def test_the_client_by_itself_sends_to_what_the_wheels_of_both_run(wheels: list[Path], folder: Path) -> None:
    service, client = wheels
    alone = environment(folder, "alone", client)
    link_only(alone, "httpx2")
    whole = environment(folder, "whole", service, client)
    link_all(whole)
    done = subprocess.run(
        [whole, "-P", "-c", SERVES, alone, SENDS], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "sent\n"), done.stderr
    where = run(
        whole, "-P", "-c", "import api, tidings_client; print(api.__file__, tidings_client.__file__)", cwd=folder
    )
    assert all(Path(each).is_relative_to(folder / "whole") for each in where.split())
