"""The shell that runs what a document says, as its reader's would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.running import Running

PASSWORD = "correct horse battery staple"
"""What is typed where a command asks for a new password, and asks again."""
REFUSED = 22
"""The exit code of a curl that was answered with an error: here it fails then, and prints the answer all the same."""
SECONDS = 60.0
_PRELUDE = """\
set -euo pipefail
if [ -e "$VARIABLES" ]; then . "$VARIABLES"; fi
trap 'export -p > "$VARIABLES"' EXIT
set -a
"""
"""Variables that one block sets are there in the next."""


class Ran(NamedTuple):
    """How a script ended, and what it printed."""

    code: int
    out: str
    err: str


class Shell:
    """bash in a folder of the document's own, with `tidings` on the PATH and the system in its environment."""

    def __init__(self, running: Running, folder: Path) -> None:
        self.folder = folder
        home = folder / "home"
        home.mkdir()
        (home / ".curlrc").write_text("fail-with-body\n")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environ = {
            **running.environ,
            "PATH": path,
            "HOME": str(home),
            "VARIABLES": str(folder / ".variables"),
            "TIDINGS_URL": running.url,
            "COLUMNS": "160",
        }
        self._authority = running.url.removeprefix("http://")

    def run(self, script: str, *, as_one: bool = False) -> Ran:
        """Runs a script; `as_one` puts errors where they stand on a terminal: between the rest of what it prints.

        Where it calls a curl that is not there, the test is skipped.
        """
        if re.search(r"\bcurl\b", script) and shutil.which("curl") is None:
            pytest.skip("curl is not on the PATH")
        done = subprocess.run(
            ["bash", "-c", _PRELUDE + script.replace("localhost:8080", self._authority)],
            cwd=self.folder,
            env=self._environ,
            input=f"{PASSWORD}\n" * 2,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if as_one else subprocess.PIPE,
            text=True,
            check=False,
            timeout=SECONDS,
            # Without a terminal to ask on, a password is read from standard input.
            start_new_session=True,
        )
        return Ran(done.returncode, done.stdout, done.stderr or "")

    def python(self, text: str) -> Ran:
        """Runs a program."""
        done = subprocess.run(
            [sys.executable, "-c", text.replace("localhost:8080", self._authority)],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def run_well(self, script: str) -> str:
        """What a script prints. Raises AssertionError where it fails."""
        ran = self.run(script)
        assert ran.code == 0, f"{script}: {ran.out}{ran.err}"
        return ran.out
