"""What a panel of the dashboard is declared with: plain data, which compose/grafana/dashboard.py draws.

Expressions are PromQL in Grafana's dialect; the functions below write those that recur.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec


class Row(msgspec.Struct, frozen=True):
    """A heading across the dashboard."""

    title: str


class Stat(msgspec.Struct, frozen=True):
    """One value, as it is now."""

    title: str
    description: str
    expression: str
    unit: str = "short"
    width: int = 3
    colors: Mapping[str, float | None] = {}
    """From which value on it has a color; None: from the lowest."""
    up_or_away: bool = False
    """Whether 1 and 0 are shown as these words."""


class Lines(msgspec.Struct, frozen=True):
    """Values over time: expressions by their legends."""

    title: str
    description: str
    expressions: Mapping[str, str]
    unit: str = "short"
    width: int = 8
    style: Literal["plain", "stacked", "logarithmic"] = "plain"


class Logs(msgspec.Struct, frozen=True):
    """Lines of Loki."""

    title: str
    description: str
    expression: str


Panel: TypeAlias = Row | Stat | Lines | Logs


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
