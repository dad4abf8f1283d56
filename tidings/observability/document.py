"""The files that are made from `tidings/observability/catalogue.py`: the tables of docs/metrics.md, and the dashboard.

python -m tidings.observability.document    writes both, in a checkout
"""

import json
import re
from pathlib import Path
from typing import Final, get_args

from tidings.observability import catalogue
from tidings.observability.grafana import dashboard
from tidings.observability.instruments import Metric, Shown

_ROOT: Final = Path(__file__).parents[2]
PAGE: Final = _ROOT / "docs" / "metrics.md"
DASHBOARD: Final = _ROOT / "compose" / "grafana" / "dashboards" / "tidings.json"

_TABLE: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render_dashboard() -> str:
    """What Grafana reads."""
    whole = dashboard(catalogue.PANELS, description=catalogue.DESCRIPTION, variables=catalogue.VARIABLES)
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def render_page(page: str) -> str:
    """The page with its tables made again, and the rest as it was. Raises ValueError where it lacks a table."""
    tables = [found[2] for found in _TABLE.finditer(page)]
    if sorted(tables) != sorted(get_args(Shown)):
        raise ValueError(f"{PAGE.name} has tables {tables}, and should have one each of {get_args(Shown)}")
    return _TABLE.sub(lambda found: found[1] + _table(found[2]) + found[3], page)


def _table(process: str) -> str:
    rows = [_row(metric) for metric in catalogue.METRICS if process in metric.shown_by]
    return "".join(["\n| metric | type | labels | meaning |\n|---|---|---|---|\n", *rows, "\n"])


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |\n"


if __name__ == "__main__":
    DASHBOARD.write_text(render_dashboard(), encoding="utf-8")
    PAGE.write_text(render_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
