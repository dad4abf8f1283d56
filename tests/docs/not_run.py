"""The commands in the documents that no test runs, each with its reason and with what is looked at instead.

Whatever is not named here is run, and has to succeed.
"""

import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.docs.blocks import ROOT
from tidings.cli import main

Words = Sequence[str]


class NotRun(NamedTuple):
    """Commands that begin with these words."""

    begins: str
    reason: str
    check: Callable[[Words], None]
    """Looks at all the words of one; fails where they cannot be right."""


def excuse(line: str) -> NotRun | None:
    """Why this line is not run; None for one that is."""
    words = words_of(line)
    return next((each for each in NOT_RUN if words[: len(each.begins.split())] == each.begins.split()), None)


def words_of(line: str) -> list[str]:
    """The words of a command up to the first `…`; none where its quotes end on another line."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []
    return words[: words.index("…")] if "…" in words else words


def accepted_by_the_command_line(words: Words) -> None:
    """`tidings` knows the command and its options."""
    # COMMAND, in a sentence about all of them, is any.
    asked = ["send" if word == "COMMAND" else word for word in words[1:]]
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main([*asked, "--help"])
    assert code == 0, said.getvalue()


def known_to_make(words: Words) -> None:
    """`make` has these targets, and knows how to make all that they need."""
    _dry_run(words)


def starts_the_demo(words: Words) -> None:
    assert "tidings up --demo" in _dry_run(words)


def known_to_compose(words: Words) -> None:
    """The file is there, and so are the services that are named."""
    arguments = list(words[2:])
    if not arguments or arguments[0] != "-f":
        return
    services = _read_yaml(ROOT / arguments[1])["services"]
    for word in arguments:
        scaled = re.fullmatch(r"([a-z]+)=\d+", word)
        assert scaled is None or scaled[1] in services
    if "exec" in arguments:
        inside = [word for word in arguments[arguments.index("exec") + 1 :] if word != "-T"]
        assert inside[0] in services
        if inside[1] == "tidings":
            accepted_by_the_command_line(inside[1:])


def known_to_kubectl(words: Words) -> None:
    """kubectl understands it, and misses nothing but the cluster."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        # Without a name it would ask whatever is at port 8080.
        [kubectl, "--server", "http://127.0.0.1:1", *words[1:]],
        env={**os.environ, "KUBECONFIG": os.devnull},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert re.search(r"context .* does not exist|connection to the server|no configuration", done.stderr), done.stderr


def charts_of_ours(words: Words) -> None:
    """The chart is there."""
    assert any((ROOT / word / "Chart.yaml").exists() for word in words[1:]), words


def packages_of_ours(words: Words) -> None:
    """It is tidings that is installed, from a checkout, a wheel or an index, with extras that pyproject.toml has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    source = re.escape(f"./dist/tidings-{project['version']}-py3-none-any.whl")
    named = re.fullmatch(rf"(?:tidings|\./client|\.|{source})(?:\[([a-z,]+)\])?", words[-1])
    assert named is not None, words[-1]
    extras = set(named[1].split(",")) if named[1] else set()
    assert extras <= set(project["optional-dependencies"])


def modules_of_ours(words: Words) -> None:
    assert importlib.util.find_spec(words[words.index("-m") + 1]) is not None


def worker_settings_of_ours(words: Words) -> None:
    module, _, name = words[1].rpartition(".")
    assert hasattr(importlib.import_module(module), name)


def executables_of_ours(words: Words) -> None:
    assert os.access(ROOT / words[0], os.X_OK)


def _dry_run(words: Words) -> str:
    # Of a cluster's programs only the names are looked at here.
    command = ["make", "--dry-run", "MINIKUBE=minikube", "KUBECTL=kubectl", *words[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


NOT_RUN: Final = (
    NotRun("make run", "the system that the documents are run against is what it starts", starts_the_demo),
    NotRun("make", "the gate, hours of measuring, or a cluster", known_to_make),
    NotRun("docker", "there may be no engine; tests/deployment/ looks at what it would run", known_to_compose),
    NotRun(
        "kubectl", "there is no cluster; tests/deployment/ holds the manifests against the schemas", known_to_kubectl
    ),
    NotRun("helm", "there is no cluster; tests/deployment/test_chart.py renders it", charts_of_ours),
    NotRun(
        "compose/new-env",
        "writes into the work tree; tests/deployment/test_secrets.py runs a copy",
        executables_of_ours,
    ),
    *(NotRun(each, "needs a network", packages_of_ours) for each in ("pip install", "pipx install")),
    NotRun("uv tool install", "needs a network, and uv", packages_of_ours),
    NotRun("python -m", "a process, as `tidings` starts it, or a long measurement", modules_of_ours),
    NotRun("python -P -m", "a process, as `tidings` starts it", modules_of_ours),
    NotRun("arq", "runs until it is stopped: tests/e2e/test_arq_cli.py", worker_settings_of_ours),
    NotRun("tidings up", "runs until it is stopped; every document is run against one", accepted_by_the_command_line),
    *(
        NotRun(f"tidings {process}", "runs until it is stopped: tests/e2e/", accepted_by_the_command_line)
        for process in ("api", "producer", "consumer")
    ),
    NotRun("tidings top", "runs until it is stopped: tests/e2e/test_cli.py", accepted_by_the_command_line),
    NotRun(
        "tidings holds release", "nothing is held there: tests/unit/cli/test_holds.py", accepted_by_the_command_line
    ),
    NotRun(
        "tidings smtp test", "no mail server is there: tests/integration/cli/test_smtp.py", accepted_by_the_command_line
    ),
    NotRun("tidings drill", "asks before it kills: tests/e2e/test_drill.py", accepted_by_the_command_line),
)
