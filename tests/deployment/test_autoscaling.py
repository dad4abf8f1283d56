"""By what consumers are scaled: one query for KEDA and prometheus-adapter, counted out by Prometheus's own tool."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.cluster import rendered
from tests.deployment.files import KUBERNETES, read_yaml, run

NAMESPACE = 'namespace="tidings"'

# Two API processes tell the same; "paced" and "stopped" hold messages that no consumer more would speed up.
SERIES = [
    {"series": f'{name}{{{NAMESPACE},pod="{pod}",queue="{queue}"}}', "values": str(value)}
    for pod in ("api-1", "api-2")
    for queue, due, active, interval in (
        ("default", 3000, 1, 0),
        ("other", 500, 1, 0),
        ("paced", 7000, 1, 120),
        ("stopped", 9000, 0, 0),
    )
    for name, value in (
        ("tidings_messages_due", due),
        ("tidings_queue_active", active),
        ("tidings_queue_interval_seconds", interval),
    )
]


def test_both_autoscalers_ask_the_same() -> None:
    (rule,) = _adapter_rules()
    assert rule["metricsQuery"].replace("<<.LabelMatchers>>", NAMESPACE) == scaling_query()


def test_the_plain_autoscaler_asks_for_what_the_adapter_tells() -> None:
    (rule,) = _adapter_rules()
    (metric,) = rendered("autoscaling/consumers-hpa").of("HorizontalPodAutoscaler")["consumers"]["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == rule["name"]["as"]


def test_both_scale_alike() -> None:
    scaled = rendered("autoscaling/consumers-keda").of("ScaledObject")["consumers"]["spec"]
    plain = rendered("autoscaling/consumers-hpa").of("HorizontalPodAutoscaler")["consumers"]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (plain["minReplicas"], plain["maxReplicas"])
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == plain["behavior"]
    (trigger,), (metric,) = scaled["triggers"], plain["metrics"]
    assert trigger["metadata"]["threshold"] == metric["external"]["target"]["averageValue"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on the PATH (Debian: prometheus)")
def test_counted_are_messages_that_a_consumer_more_would_speed_up(tmp_path: Path) -> None:
    tests = {
        "tests": [
            {
                "interval": "1m",
                "input_series": SERIES,
                "promql_expr_test": [
                    {"expr": scaling_query(), "eval_time": "0m", "exp_samples": [{"labels": "{}", "value": 3500}]}
                ],
            }
        ]
    }
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps(tests))
    assert "SUCCESS" in run("promtool", "test", "rules", file)


def scaling_query() -> str:
    """What KEDA asks Prometheus."""
    (trigger,) = rendered("autoscaling/consumers-keda").of("ScaledObject")["consumers"]["spec"]["triggers"]
    return str(trigger["metadata"]["query"])


def _adapter_rules() -> list[Any]:
    rules = read_yaml(KUBERNETES / "autoscaling" / "consumers-hpa" / "adapter-rules.yaml")
    return list(rules["rules"]["external"])
