"""What Helm's own engine makes of kubernetes/chart.

It is Go, and takes the signals of its process for itself, so it has one of its own, which answers line by line.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import msgspec
import pytest
import yaml

from tests.deployment.cluster import Cluster
from tests.deployment.files import KUBERNETES, ROOT

CHART: Final = KUBERNETES / "chart"

needs_helm = pytest.mark.skipif(
    importlib.util.find_spec("helm_python") is None, reason="Helm's engine is a wheel for Linux on x86-64 only"
)


class Answer(msgspec.Struct, frozen=True):
    """What comes of the chart with some values."""

    manifests: dict[str, str]
    """Text by template."""
    refused: str
    """Why there are none, or empty."""
    findings: list[str]
    """Warnings and errors of `helm lint --strict`."""

    def cluster(self) -> Cluster:
        """All that it renders, but for the notes."""
        assert not self.refused, self.refused
        texts = [text for name, text in self.manifests.items() if name.endswith(".yaml")]
        return Cluster([made for text in texts for made in yaml.safe_load_all(text) if made])


class Chart(Protocol):
    """The chart, to be asked with values over its own."""

    def __call__(self, values: dict[str, Any] | None = None, *, name: str = "tidings") -> Answer: ...


@contextmanager
def running_engine() -> Iterator[Chart]:
    """One process for all questions; the same one is asked once."""
    known: dict[str, Answer] = {}
    command = (sys.executable, "-m", "tests.deployment.helm_engine", str(CHART))
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None
        asks, tells = engine.stdin, engine.stdout

        def chart(values: dict[str, Any] | None = None, *, name: str = "tidings") -> Answer:
            request = json.dumps({"values": values or {}, "name": name, "namespace": "tidings"}, sort_keys=True)
            if request not in known:
                asks.write(request + "\n")
                asks.flush()
                known[request] = msgspec.json.decode(tells.readline(), type=Answer)
            return known[request]

        # The end of its input is the end of the process.
        yield chart
