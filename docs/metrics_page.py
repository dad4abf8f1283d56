"""The tables of metrics.md, made from `tidings/observability/catalogue.py`.

python -m docs.metrics_page    writes them, in a checkout
"""

import re
from pathlib import Path
from typing import Final, get_args

from tidings.observability import catalogue
from tidings.observability.instruments import Metric, Shown

PAGE: Final = Path(__file__).parent / "metrics.md"

_TABLE: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(page: str) -> str:
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
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
