"""`python -m benchmarks --quick`: every figure can be measured, and nothing is left running."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.__main__ import FIGURES
from tests.processes import on_directory

REPOSITORY = Path(__file__).parents[3]
SECONDS = 300


SOME = (4, 21)
"""One of the whole pipeline, one of a store alone."""


@pytest.mark.timeout(SECONDS + 10)
@pytest.mark.parametrize(
    "numbers", [SOME, pytest.param([figure.number for figure in FIGURES], marks=pytest.mark.slow, id="all")]
)
def test_figures_are_measured(monkeypatch: pytest.MonkeyPatch, numbers: Sequence[int]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o711)
    monkeypatch.setenv("TMPDIR", str(folder))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", *map(str, numbers)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured = {int(number) for number in re.findall(r"^\| (\d+) \|", done.stdout, re.MULTILINE)}
    assert measured == set(numbers)
    assert on_directory(folder) == []
    assert list(folder.iterdir()) == []
    folder.rmdir()
