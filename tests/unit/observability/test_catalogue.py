"""tidings/observability/catalogue.py: declarations that fit together."""

import re

from tests.observe.expressions import asked_of_prometheus, metrics_in
from tidings.observability.catalogue import METRICS
from tidings.observability.instruments import Metric

ENDINGS = {"counter": ("_total",), "histogram": ("_seconds",), "gauge": ("",)}


def series(metric: Metric) -> set[str]:
    """The names under which Prometheus has it."""
    if metric.kind == "histogram":
        return {metric.name + ending for ending in ("_bucket", "_count", "_sum")}
    return {metric.name}


def test_each_metric_is_declared_once_with_the_name_of_its_kind() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"tidings_[a-z_]+", metric.name)
        assert metric.name.endswith(ENDINGS[metric.kind]), metric.name
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert bool(metric.bounds) == (metric.kind == "histogram"), metric.name
        assert list(metric.bounds) == sorted(metric.bounds)
        assert re.fullmatch(r"[A-Z].+\.", metric.meaning), metric.name
        assert "|" not in metric.meaning


def test_dashboards_and_alerts_ask_only_for_metrics_that_are_declared() -> None:
    asked = {name for expression in asked_of_prometheus() for name in metrics_in(expression)}
    declared = {name for metric in METRICS for name in series(metric)}
    assert declared >= {name for name in asked if name.startswith("tidings_")} > set()
