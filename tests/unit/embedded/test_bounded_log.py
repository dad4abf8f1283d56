"""A store's log: all of it in order, and never more than its bound."""

import os
from pathlib import Path

from tidings.embedded.bounded_log import BoundedLog


def write(log: BoundedLog, *texts: str) -> None:
    descriptor = log.open()
    for text in texts:
        os.write(descriptor, text.encode())
    os.close(descriptor)
    log.drain()


def test_what_a_store_prints_is_in_the_file(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "store.log")
    write(log, "one\n", "two\n")
    write(log, "three\n")
    assert log.path.read_text() == "one\ntwo\nthree\n"
    assert log.last_line() == "three"


def test_it_keeps_twice_its_limit_at_the_most(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "store.log", limit=1000)
    for number in range(100):
        write(log, f"{number:03}" * 33 + "\n")
    assert {path.name for path in tmp_path.iterdir()} <= {"store.log", "store.log.1"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2200
    assert log.last_line().startswith("099")


def test_a_store_never_waits_for_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "missing" / "store.log")
    write(log, *(["x" * 65536] * 4))
    assert log.last_line().endswith("x")


def test_silence_is_said(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "store.log")
    write(log)
    assert log.last_line() == "it printed nothing"
