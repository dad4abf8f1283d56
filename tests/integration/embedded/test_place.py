"""Where the embedded stores can live: decided by who starts them and what is above it, before anything is made."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.integration.embedded.placing import said_of
from tidings.settings import default_data_dir

ROOT = Path(__file__).parents[3]
MODULE = "tests.integration.embedded.placing"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be others too")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of root's below /tmp that others may pass through."""
    path = Path(tempfile.mkdtemp(prefix="tidings-place-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@contextmanager
def acting_as_nobody() -> Iterator[None]:
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def made(folder: Path, name: str, *, mode: int, user: str = "root") -> Path:
    """A folder with this mode, of this user."""
    path = folder / name
    path.mkdir()
    os.chown(path, pwd.getpwnam(user).pw_uid, -1)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("who", "mode", "owner", "inside", "says"),
    [
        ("root", 0o755, "root", "", ""),
        # As mkdtemp makes it.
        ("root", 0o700, "root", "", ""),
        ("root", 0o711, "root", "data", ""),
        ("root", 0o700, "root", "data", "may not enter {above}"),
        ("root", 0o700, "root", "deeper/data", "may not enter {above}"),
        ("root", 0o700, "daemon", "", "may not enter {above}"),
        ("nobody", 0o700, "nobody", "", ""),
        ("nobody", 0o700, "nobody", "data", ""),
        ("nobody", 0o755, "root", "data", "Permission denied"),
        ("nobody", 0o700, "root", "data", "Permission denied"),
    ],
)
def test_who_starts_it_and_what_is_above_decide(  # noqa: PLR0917  a row of the table
    folder: Path, who: str, mode: int, owner: str, inside: str, says: str
) -> None:
    above = made(folder, "above", mode=mode, user=owner)
    with acting_as_nobody() if who == "nobody" else nullcontext():
        said = said_of(above / inside)
    if not says:
        assert said == ""
        return
    assert says.format(above=above) in said
    assert "\n" not in said
    # Nothing was made, and the folder is as it was.
    assert list(above.iterdir()) == []
    assert stat.S_IMODE(above.stat().st_mode) == mode


def test_a_refusal_names_a_place_that_works() -> None:
    home = Path(pwd.getpwnam("root").pw_dir)
    if home.stat().st_mode & 0o001:
        pytest.skip("others may pass through root's home here")
    said = said_of(home / "tidings-that-is-not-there")
    assert f"may not enter {home};" in said
    assert str(default_data_dir()) in said
    assert not (home / "tidings-that-is-not-there").exists()


def test_a_folder_of_mkdtemp_is_opened_for_passing_through_only(folder: Path) -> None:
    path = made(folder, "data", mode=0o700)
    assert said_of(path) == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o711


def test_what_is_not_tidings_keeps_its_mode(folder: Path) -> None:
    path = made(folder, "data", mode=0o700)
    (path / "mine").touch()
    assert "not empty" in said_of(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("options", "program", "says"),
    [
        ("size=1g", "", ""),
        ("size=4m", "", "MiB are free there"),
        ("ro", "", "Read-only file system"),
        # Programs that the account can reach run from where they are.
        ("size=1g,noexec", "/bin/sh", ""),
        ("size=1g,noexec", "{closed}/postgres", "mounted noexec"),
        ("size=1g", "{closed}/postgres", ""),
    ],
)
def test_what_is_mounted_there_decides(folder: Path, options: str, program: str, says: str) -> None:
    place, closed = made(folder, "place", mode=0o755), made(folder, "closed", mode=0o700)
    (closed / "postgres").touch(mode=0o755)
    mount = f'mount -t tmpfs -o mode=755,{options} none "$1" && shift && exec "$@"'
    arguments = [str(place / "data"), *([program.format(closed=closed)] if program else [])]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", place, sys.executable, "-m", MODULE, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if done.returncode and ("unshare:" in done.stderr or "mount:" in done.stderr):
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 0, done.stderr
    if says:
        assert says in done.stdout
    else:
        assert done.stdout == ""
