"""What dashboards and alerts ask Prometheus: their expressions, and the metrics named in them."""

import json
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import promql_parser
import yaml

COMPOSE = Path(__file__).parents[2] / "compose"
RULES = COMPOSE / "prometheus" / "alerts.yml"
DASHBOARDS = sorted((COMPOSE / "grafana" / "dashboards").glob("*.json"))

VARIABLES = {"$__rate_interval": "1m", "$channel": ".*", "$queue": ".*"}

_LABEL_VALUES = re.compile(r"label_values\((\w+), (\w+)\)")


def alerts() -> list[dict[str, Any]]:
    """The alerting rules."""
    document = yaml.safe_load(RULES.read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def asked_of_prometheus() -> Iterator[str]:
    """Every expression, with Grafana's variables filled in as Grafana would for the whole."""
    for rule in alerts():
        yield rule["expr"]
    for path in DASHBOARDS:
        document = dashboard(path)
        for panel in document["panels"]:
            for target in panel.get("targets", ()):
                if target["datasource"]["type"] == "prometheus":
                    yield reduce(lambda text, name: text.replace(name, VARIABLES[name]), VARIABLES, target["expr"])
        for annotation in document["annotations"]["list"]:
            yield annotation["expr"]
        for variable in document["templating"]["list"]:
            asked = _LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert asked, variable
            yield f"count by ({asked[2]}) ({asked[1]})"


def metrics_in(expression: str) -> set[str]:
    """The names of the metrics in an expression. Raises ValueError where it is not well-formed."""
    found: set[str] = set()

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name, expression
            found.add(node.name)
        if isinstance(node, promql_parser.MatrixSelector):
            visit(node.vector_selector)
        return True

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)
    return found
