"""tidings/observability/grafana.py: what a panel becomes, and where it goes."""

from typing import Any

import pytest

from tidings.observability.grafana import LOGARITHMIC, STACKED, Json, dashboard, lines, logs, row, stat


def laid_out(*panels: Json) -> list[Any]:
    return list(dashboard(panels, description="", variables={})["panels"])


def position(panel: Json) -> tuple[int, int, int, int]:
    place = panel["gridPos"]
    return place["x"], place["y"], place["w"], place["h"]


def test_panels_go_from_left_to_right_and_below_what_is_full() -> None:
    panels = laid_out(
        stat("a", "", "x", width=12),
        stat("b", "", "x", width=12),
        row("section"),
        lines("c", "", {"": "x"}, width=16),
        lines("d", "", {"": "x"}, width=12),
        logs("e", "", "{}"),
    )
    assert [position(panel) for panel in panels] == [
        (0, 0, 12, 4),
        (12, 0, 12, 4),
        (0, 4, 24, 1),
        (0, 5, 16, 8),
        (0, 13, 12, 8),
        (0, 21, 24, 10),
    ]
    assert [panel["id"] for panel in panels] == [1, 2, 3, 4, 5, 6]


def test_each_expression_has_its_legend_and_letter() -> None:
    panel = lines("Stores", "", {"up": "a", "{{store}}": "b"})
    assert [(target["refId"], target["legendFormat"], target["expr"]) for target in panel["targets"]] == [
        ("A", "up", "a"),
        ("B", "{{store}}", "b"),
    ]


@pytest.mark.parametrize(
    ("style", "opacity", "lowest", "also"), [(STACKED, 20, 0, "stacking"), (LOGARITHMIC, 0, None, "scaleDistribution")]
)
def test_a_style_adds_to_what_every_line_has(style: Json, opacity: int, lowest: int | None, also: str) -> None:
    defaults = lines("", "", {"": "x"}, unit="s", style=style)["fieldConfig"]["defaults"]
    assert (defaults["unit"], defaults.get("min")) == ("s", lowest)
    assert (defaults["custom"]["lineWidth"], defaults["custom"]["fillOpacity"]) == (1, opacity)
    assert also in defaults["custom"]


def test_a_value_is_colored_from_its_thresholds() -> None:
    panel = stat("Behind", "", "x", colors={"green": None, "red": 30})
    assert panel["options"]["colorMode"] == "value"
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"] == [
        {"color": "green", "value": None},
        {"color": "red", "value": 30},
    ]
    assert stat("Due", "", "x")["options"]["colorMode"] == "none"


def test_a_variable_is_a_choice_of_all_by_default() -> None:
    whole = dashboard([], description="", variables={"queue": "label_values(m, queue)"})
    [variable] = whole["templating"]["list"]
    assert (variable["name"], variable["label"], variable["definition"]) == ("queue", "Queue", "label_values(m, queue)")
    assert variable["current"]["value"] == ["$__all"]
