"""The Grafana dashboard, made from `tidings/observability/catalogue.py`.

python -m tidings.observability.document    writes the file, in a checkout
"""

import json
from pathlib import Path
from typing import Final

from tidings.observability import catalogue
from tidings.observability.grafana import dashboard

DASHBOARD: Final = Path(__file__).parents[2] / "compose" / "grafana" / "dashboards" / "tidings.json"


def render_dashboard() -> str:
    """What Grafana reads."""
    whole = dashboard(catalogue.PANELS, description=catalogue.DESCRIPTION, variables=catalogue.VARIABLES)
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(render_dashboard(), encoding="utf-8")
