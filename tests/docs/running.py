"""A running `tidings up --demo`, at a free port, with its data in a folder of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tidings.settings import Settings

STOP_SECONDS = 60.0
_SETTINGS = {name.upper() for name in Settings.__struct_fields__} | {"TIDINGS_URL"}


class Running(NamedTuple):
    """Where it is, and the environment in which its commands find it."""

    url: str
    environ: Mapping[str, str]


ACCOUNT: Final = "smtp://mail%40example.com:secret@127.0.0.1:1"
"""Of a mail server that is not there: e-mail is taken, and waits."""


@contextmanager
def running(**environ: str) -> Iterator[Running]:
    """Starts it, with embedded stores where `environ` names none, and stops it after the block."""
    # Not under pytest's own temporary folder, which only its user may enter: Postgres may run as another account.
    folder = Path(tempfile.mkdtemp(prefix="tidings-docs-"))
    folder.chmod(0o711)
    given = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    environment = {**given, "DATA_DIR": str(folder / "data"), "SMTP_URL": ACCOUNT, **environ}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("tidings"), "up", "--demo", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield Running(_url(process, folder / "log"), environment)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            # Reads on, so that a gateway with much to say is not held up by a full pipe.
            process.communicate(timeout=STOP_SECONDS)
        finally:
            process.kill()
            shutil.rmtree(folder)


def _url(process: "subprocess.Popen[str]", log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if "tidings is up" in line:
            return next(word for word in line.split() if word.startswith("http://"))
    raise AssertionError(f"it did not start:\n{log.read_text()}")
