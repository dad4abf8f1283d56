"""Grafana's dashboard from a table of panels: four kinds of panel, three of expressions, and the layout.

Rejected: grafana-foundation-sdk. Its dashboards are for Grafana up to 11.6 (compose runs 12). Its versions begin with
the time of a build, so that the newest is one for Grafana 10.1. It is 53,000 lines, in place of the 220 below.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

Json = dict[str, Any]
Style = dict[str, Any]
"""Fields that a style adds to those of every line."""

COLUMNS: Final = 24
PROMETHEUS: Final = {"type": "prometheus", "uid": "prometheus"}
LOKI: Final = {"type": "loki", "uid": "loki"}

PLAIN: Final[Style] = {"custom": {}, "min": 0}
STACKED: Final[Style] = {"custom": {"fillOpacity": 20, "stacking": {"mode": "normal", "group": "A"}}, "min": 0}
LOGARITHMIC: Final[Style] = {"custom": {"scaleDistribution": {"type": "log", "log": 10}}}

RED_AT_NONE: Final = {"red": None, "green": 1}
UP_OR_AWAY: Final = [
    {"type": "value", "options": {"0": {"text": "away", "color": "red"}, "1": {"text": "up", "color": "green"}}}
]


def row(title: str) -> Json:
    """A heading across the dashboard."""
    return {"type": "row", "title": title, "collapsed": False, "gridPos": {"w": COLUMNS, "h": 1}, "panels": []}


def stat(
    title: str,
    description: str,
    expression: str,
    *,
    unit: str = "short",
    width: int = 3,
    colors: Mapping[str, float | None] | None = None,
    mappings: list[Json] | None = None,
) -> Json:
    """One value, as it is now. `colors` says from which value on it has a color; None: from the lowest."""
    defaults: Json = {"unit": unit}
    if unit == "ops":
        defaults["decimals"] = 1
    if colors:
        defaults["color"] = {"mode": "thresholds"}
        steps = [{"color": color, "value": value} for color, value in colors.items()]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    if mappings:
        defaults["mappings"] = mappings
    return _panel(
        "stat",
        title,
        description,
        PROMETHEUS,
        size=(width, 4),
        targets=[{"expr": expression, "legendFormat": "__auto", "instant": True, "range": False}],
        defaults=defaults,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value" if colors else "none",
            "graphMode": "none",
            "textMode": "auto",
            "justifyMode": "auto",
            "orientation": "auto",
        },
    )


def lines(
    title: str,
    description: str,
    expressions: Mapping[str, str],
    *,
    unit: str = "short",
    width: int = 8,
    style: Style = PLAIN,
) -> Json:
    """Values over time: expressions by their legends."""
    custom = {"lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": False}
    return _panel(
        "timeseries",
        title,
        description,
        PROMETHEUS,
        size=(width, 8),
        targets=[{"expr": expression, "legendFormat": legend} for legend, expression in expressions.items()],
        defaults={"unit": unit, **style, "custom": custom | style["custom"]},
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def logs(title: str, description: str, expression: str) -> Json:
    """Lines of Loki."""
    return _panel(
        "logs",
        title,
        description,
        LOKI,
        size=(COLUMNS, 10),
        targets=[{"expr": expression, "queryType": "range"}],
        defaults={"unit": "short"},
        options={
            "showTime": True,
            "wrapLogMessage": True,
            "enableLogDetails": True,
            "sortOrder": "Descending",
            "dedupStrategy": "none",
        },
    )


def rate(selector: str, by: str = "") -> str:
    """Counts a second of a counter, by these labels."""
    return f"sum{f' by ({by}) ' if by else ''}(rate({selector}[$__rate_interval]))"


def quantiles(selector: str, by: str = "", legend: str = "") -> dict[str, str]:
    """Expressions for the median and the 99th percentile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return {
        f"{legend}p{quantile * 100:.0f}": f"histogram_quantile({quantile}, {rate(selector, labels)})"
        for quantile in (0.5, 0.99)
    }


def by_process(expression: str) -> dict[str, str]:
    """The expression with the names of processes, which tidings_process_info has."""
    joined = f"{expression} * on (job, instance) group_left (process, name) tidings_process_info"
    return {"{{process}} {{name}} {{instance}}": joined}


def dashboard(panels: Iterable[Json], *, description: str, variables: Mapping[str, str]) -> Json:
    """The whole of it. `variables` to choose by: the query for the values of each."""
    return {
        "uid": "tidings",
        "title": "tidings",
        "description": description,
        "tags": ["tidings"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {
            "list": [
                {
                    "name": "Alerts",
                    "datasource": PROMETHEUS,
                    "enable": True,
                    "iconColor": "red",
                    "expr": 'ALERTS{alertname=~"Tidings.*", alertstate="firing"}',
                    "titleFormat": "{{alertname}}",
                    "step": "30s",
                }
            ]
        },
        "templating": {"list": [_variable(name, query) for name, query in variables.items()]},
        "links": [],
        "panels": _laid_out(panels),
    }


def _panel(
    kind: str,
    title: str,
    description: str,
    source: Json,
    *,
    size: tuple[int, int],
    targets: list[Json],
    defaults: Json,
    options: Json,
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": source,
        "gridPos": {"w": size[0], "h": size[1]},
        "targets": [{"refId": chr(ord("A") + n), "datasource": source, **target} for n, target in enumerate(targets)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def _variable(name: str, query: str) -> Json:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": PROMETHEUS,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
    }


def _laid_out(panels: Iterable[Json]) -> list[Json]:
    """From left to right, and on a new line where there is no room. Panels of one line are of one height."""
    placed: list[Json] = []
    x = y = height = 0
    for number, panel in enumerate(panels, start=1):
        size = panel["gridPos"]
        if x + size["w"] > COLUMNS:
            x, y = 0, y + height
        placed.append({"id": number, **panel, "gridPos": {"x": x, "y": y, **size}})
        x, height = x + size["w"], size["h"]
    return placed
