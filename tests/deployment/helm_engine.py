"""Helm's engine as a process: `python -m tests.deployment.helm_engine CHART` answers each line with a line.

A request is JSON: `values`, `name`, `namespace`. So is the answer: the text of `manifests` by template, why the values
are `refused`, and the `findings` (warnings and errors) of `helm lint --strict`.
"""

import json
import sys
from typing import Any

import helm_python

WARNING = 2


def answer(chart: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What comes of the chart with some values."""
    manifests, refused = {}, ""
    with helm_python.Chart.load(chart) as loaded:
        try:
            manifests = loaded.render(asked["values"], name=asked["name"], namespace=asked["namespace"])
        except helm_python.HelmError as error:
            refused = str(error)
    report = helm_python.lint(chart, asked["values"], strict=True)
    findings = [f"{m['path']}: {m['error']}" for m in report["messages"] if m["severity"] >= WARNING]
    return {"manifests": manifests, "refused": refused, "findings": [*findings, *report["errors"]]}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(sys.argv[1], json.loads(line))) + "\n")
        sys.stdout.flush()
