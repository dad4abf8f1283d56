"""The command line as a whole: one line and exit code 2 for whatever is wrong, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidings.cli import main


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TIDINGS_URL", "API_KEY", "POSTGRES_URI", "REDIS_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


@pytest.mark.parametrize("arguments", [[], ["--help"], ["up", "--help"], ["send", "-h"], ["import", "--help"]])
def test_help_is_no_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["deliver"], "deliver"),
        (["send", "only-one"], "CONTENT"),
        (["list", "--limit", "many"], "--limit"),
        (["list", "--limit", "501"], "--limit"),
        (["up", "--consumers", "0"], "--consumers"),
        (["up", "--port", "65536"], "--port"),
        (["import", "missing.ndjson"], "missing.ndjson"),
        (["list", "--url", "ftp://example.org"], "ftp://example.org"),
        (["list", "--url", "http://127.0.0.1:1"], "http://127.0.0.1:1"),
        (["migrate"], "Postgres does not answer"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tidings: ")
    assert said.lower() in err.lower()
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["up", "migrate"])
def test_a_wrong_setting_is_said_in_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEASE_SECONDS", "soon")
    assert main([command]) == 2
    assert capsys.readouterr().err.startswith("tidings: LEASE_SECONDS: ")


def test_up_refuses_a_data_directory_that_is_not_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["up", "--port", "0", "--data-dir", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err


def test_help_loads_none_of_the_heavy_libraries() -> None:
    script = """
import sys
from tidings.cli import main
main(["--help"])
loaded = {"aiohttp", "asyncpg", "redis", "arq", "structlog"} & set(sys.modules)
sys.exit(f"loaded: {loaded}" if loaded else 0)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("command", ["api", "producer", "consumer", "migrate"])
def test_a_folder_with_an_api_of_its_own_is_not_ours(command: str, foreign: Path) -> None:
    tidings = Path(sys.executable).with_name("tidings")
    environ = {**os.environ, "LEASE_SECONDS": "soon"}
    run = subprocess.run([tidings, command], cwd=foreign, env=environ, capture_output=True, text=True, check=False)
    assert (run.returncode, "LEASE_SECONDS: " in run.stderr) == (2, True), run.stderr
