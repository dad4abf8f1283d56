"""The targets of kubernetes/cluster.mk: in the right order, onto the right cluster, and plain about what is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployment.files import ROOT, program

TARGETS = ("cluster", "apply", "hpa", "re", "delete")


@pytest.mark.parametrize("target", TARGETS)
def test_a_missing_program_is_said_in_one_line(target: str, tmp_path: Path) -> None:
    done = _make(target, path=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "which is not on the PATH" in line


def test_migrations_come_before_the_wait_for_the_processes() -> None:
    lines = _dry("apply")
    order = [
        lines.index(line)
        for mark in ("namespace.yaml", "get secret tidings", "delete job migrate", "--kustomize", "wait job/migrate")
        for line in lines
        if mark in line
    ]
    assert len(order) == 5
    assert order == sorted(order)
    assert [line.split("rollout status deployment/")[1].split()[0] for line in lines[order[-1] + 1 :]] == [
        "api",
        "producer",
        "consumers",
    ]


def test_the_dev_overlay_lands_on_no_other_cluster() -> None:
    assert all("--context tidings" in line for line in _dry("apply"))
    assert not any("--context" in line for line in _dry("apply", "OVERLAY=prod"))


def test_only_the_dev_cluster_can_be_deleted() -> None:
    done = _make("delete", "OVERLAY=prod", path=Path(program("kubectl")).parent)
    assert done.returncode == 2
    assert "dev overlay only" in done.stderr


def test_clean_takes_the_cluster_away_too() -> None:
    lines = _dry("clean")
    assert any("minikube delete --profile tidings" in line for line in lines)


def _dry(*arguments: str) -> list[str]:
    done = _make("--dry-run", *arguments, path=Path(program("kubectl")).parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _make(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Runs make with the programs of one folder and no others."""
    make = shutil.which("make")
    assert make is not None
    return subprocess.run(
        [make, "--no-print-directory", *arguments, f"MAKE={make}"],
        cwd=ROOT,
        env={"PATH": str(path), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
