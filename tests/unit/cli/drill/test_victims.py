"""Whom a drill may kill."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import typer

from tidings.cli.drill import victims
from tidings.domain.errors import SettingsError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

PORT = 64999
PRETENDS = "import sys, time; sys.stdout.write('.'); sys.stdout.flush(); time.sleep(60)"


@pytest.fixture
def consumer() -> Iterator["subprocess.Popen[bytes]"]:
    """What looks like a consumer of a `tidings up` on a port."""
    command = [sys.executable, "-c", PRETENDS, "-P", "-m", "consumers"]
    process = subprocess.Popen(command, env={**os.environ, "PORT": str(PORT)}, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(1)
    yield process
    process.kill()
    process.communicate()


def test_finds_and_kills_the_one_of_this_port(consumer: "subprocess.Popen[bytes]") -> None:
    victim = victims.of_local_up("consumer", f"http://127.0.0.1:{PORT}")
    assert victim == victims.by_pid(consumer.pid)
    assert str(consumer.pid) in str(victim)
    victims.kill(victim)
    assert consumer.wait() == -9


def test_leaves_a_process_alone_that_is_not_the_one_it_was(consumer: "subprocess.Popen[bytes]") -> None:
    victims.kill(victims.by_pid(consumer.pid)._replace(started="0"))
    with pytest.raises(subprocess.TimeoutExpired):
        consumer.wait(timeout=0.1)


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("producer", f"http://127.0.0.1:{PORT}"),
        ("consumer", f"http://127.0.0.1:{PORT + 1}"),
        ("consumer", f"https://staging.example.com:{PORT}"),
        ("postgres", f"http://127.0.0.1:{PORT}"),
    ],
)
def test_refuses_what_is_not_here(consumer: "subprocess.Popen[bytes]", kind: str, url: str) -> None:
    with pytest.raises(SettingsError, match="--kill"):
        victims.of_local_up(kind, url)


@pytest.mark.parametrize("pid", [1, os.getpid(), os.getppid(), 2**22 + 1], ids=["init", "itself", "parent", "nobody"])
def test_refuses_itself_and_nobody(pid: int) -> None:
    with pytest.raises(SettingsError, match="--kill-pid"):
        victims.by_pid(pid)


def no(*_: object, **__: object) -> bool:
    return False


def nobody_there(*_: object, **__: object) -> bool:
    raise typer.Abort


@pytest.mark.parametrize("answer", [no, nobody_there])
def test_nobody_is_killed_without_a_yes(
    consumer: "subprocess.Popen[bytes]", answer: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typer, "confirm", answer)
    with pytest.raises(SettingsError, match="nothing was killed"):
        victims.confirm([victims.by_pid(consumer.pid)])


def test_nobody_need_agree_to_nothing() -> None:
    victims.confirm([])
