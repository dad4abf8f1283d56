"""A real tidings for the tests of a project: `tidings up` on free ports, with stores of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
MOST_LINES: Final = 200
"""Of its log, kept for the error where it does not start."""
_TIDINGS: Final = ("-P", "-c", "import sys; from tidings.cli import main; sys.exit(main())")
"""Not as the folder of the tests has it: a package of theirs may be called `api`."""
_UP: Final = re.compile(r"tidings is up: (http://\S+)")
_OURS: Final = re.compile(r"TIDINGS_|POSTGRES_|REDIS_|PORT$|API_KEY$|DATA_DIR$|METRICS_PORT$")


@dataclass(frozen=True)
class TidingsServer:
    """A tidings that runs."""

    url: str


@contextmanager
def running(*, consumers: int = 1) -> Iterator[TidingsServer]:
    """Runs a tidings until the block ends, out of the same environment: `tidings[embedded]` has to be installed.

    Raises RuntimeError where it does not start.
    """
    # Not under a folder that only one user may enter: Postgres may run as another one.
    folder = Path(tempfile.mkdtemp(prefix="tidings-server-"))
    folder.chmod(0o711)
    environ = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    command = [sys.executable, *_TIDINGS, "up", "--port", "0", "--consumers", str(consumers)]
    process = subprocess.Popen(  # noqa: S603  our own command
        [*command, "--data-dir", str(folder / "data")],
        env={**environ, "METRICS_PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        yield TidingsServer(_url(process))
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


def _url(process: subprocess.Popen[str]) -> str:
    log: list[str] = []
    found: list[str] = []
    said = threading.Event()
    threading.Thread(target=_read, args=(process.stdout, log, found, said), daemon=True).start()
    if not said.wait(START_SECONDS) or not found:
        raise RuntimeError("tidings did not start; is tidings[embedded] installed?\n" + "".join(log))
    return found[0]


def _read(output: IO[str], log: list[str], found: list[str], said: threading.Event) -> None:
    """Reads to the end, so that the process never waits for a reader."""
    for line in output:
        if not found and (match := _UP.search(line)):
            found.append(match[1])
            said.set()
        log.append(line)
        del log[:-MOST_LINES]
    said.set()
