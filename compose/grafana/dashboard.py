"""Writes dashboards/tidings.json from the panels of tidings/observability/catalogue.py: their JSON, and the layout.

    python -m compose.grafana.dashboard    writes the file, in a checkout

Rejected: grafana-foundation-sdk. Its dashboards are for Grafana up to 11.6 (compose runs 12). Its versions begin with
the time of a build, so that the newest is one for Grafana 10.1. It is 53,000 lines, in place of the 200 below.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tidings.observability.board import PANELS
from tidings.observability.panels import Lines, Logs, Panel, Row, Stat

Json = dict[str, Any]

FILE: Final = Path(__file__).parent / "dashboards" / "tidings.json"

COLUMNS: Final = 24
PROMETHEUS: Final = {"type": "prometheus", "uid": "prometheus"}
LOKI: Final = {"type": "loki", "uid": "loki"}

_DESCRIPTION: Final = (
    "Messages: how many, how late, through whom. "
    "The same as on the dashboard of tidings itself, for longer than an hour."
)

_VARIABLES: Final = {
    "channel": "label_values(tidings_deliveries_total, channel)",
    "queue": "label_values(tidings_messages_waiting, queue)",
}

_STYLES: Final[dict[str, Json]] = {
    "plain": {"custom": {}, "min": 0},
    "stacked": {"custom": {"fillOpacity": 20, "stacking": {"mode": "normal", "group": "A"}}, "min": 0},
    "logarithmic": {"custom": {"scaleDistribution": {"type": "log", "log": 10}}},
}
"""Fields that a style adds to those of every line."""

_UP_OR_AWAY: Final = [
    {"type": "value", "options": {"0": {"text": "away", "color": "red"}, "1": {"text": "up", "color": "green"}}}
]


def render() -> str:
    """What Grafana reads."""
    whole = dashboard(PANELS, description=_DESCRIPTION, variables=_VARIABLES)
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def drawn(panel: Panel) -> Json:
    """The JSON of a panel; its place follows from the layout."""
    match panel:
        case Row(title=title):
            return {"type": "row", "title": title, "collapsed": False, "gridPos": {"w": COLUMNS, "h": 1}, "panels": []}
        case Stat():
            return _stat(panel)
        case Lines():
            return _lines(panel)
        case Logs():
            return _logs(panel)


def _stat(stat: Stat) -> Json:
    defaults: Json = {"unit": stat.unit}
    if stat.unit == "ops":
        defaults["decimals"] = 1
    if stat.colors:
        defaults["color"] = {"mode": "thresholds"}
        steps = [{"color": color, "value": value} for color, value in stat.colors.items()]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    if stat.up_or_away:
        defaults["mappings"] = _UP_OR_AWAY
    return _panel(
        "stat",
        stat,
        PROMETHEUS,
        size=(stat.width, 4),
        targets=[{"expr": stat.expression, "legendFormat": "__auto", "instant": True, "range": False}],
        defaults=defaults,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value" if stat.colors else "none",
            "graphMode": "none",
            "textMode": "auto",
            "justifyMode": "auto",
            "orientation": "auto",
        },
    )


def _lines(lines: Lines) -> Json:
    custom = {"lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": False}
    style = _STYLES[lines.style]
    return _panel(
        "timeseries",
        lines,
        PROMETHEUS,
        size=(lines.width, 8),
        targets=[{"expr": expression, "legendFormat": legend} for legend, expression in lines.expressions.items()],
        defaults={"unit": lines.unit, **style, "custom": custom | style["custom"]},
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def _logs(logs: Logs) -> Json:
    return _panel(
        "logs",
        logs,
        LOKI,
        size=(COLUMNS, 10),
        targets=[{"expr": logs.expression, "queryType": "range"}],
        defaults={"unit": "short"},
        options={
            "showTime": True,
            "wrapLogMessage": True,
            "enableLogDetails": True,
            "sortOrder": "Descending",
            "dedupStrategy": "none",
        },
    )


def dashboard(panels: Iterable[Panel], *, description: str, variables: Mapping[str, str]) -> Json:
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
        "panels": _laid_out(map(drawn, panels)),
    }


def _panel(
    kind: str,
    panel: Stat | Lines | Logs,
    source: Json,
    *,
    size: tuple[int, int],
    targets: list[Json],
    defaults: Json,
    options: Json,
) -> Json:
    return {
        "type": kind,
        "title": panel.title,
        "description": panel.description,
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


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
