"""compose/grafana: what Grafana would load, and whether it fits together."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observe.expressions import COMPOSE, DASHBOARDS, asked_of_prometheus, dashboard, metrics_in

PROVISIONING = COMPOSE / "grafana" / "provisioning"
COLUMNS = 24


def datasources() -> dict[str, str]:
    """The type of each data source, by its uid."""
    document = yaml.safe_load((PROVISIONING / "datasources" / "tidings.yaml").read_text("utf-8"))
    return {source["uid"]: source["type"] for source in document["datasources"]}


def sources_named(node: Any) -> list[dict[str, str]]:
    """Every reference to a data source, however deep."""
    if isinstance(node, dict):
        found = [source for value in node.values() for source in sources_named(value)]
        return [*found, node["datasource"]] if "datasource" in node else found
    return [source for value in node for source in sources_named(value)] if isinstance(node, list) else []


def test_there_are_dashboards_where_the_provider_looks() -> None:
    document = yaml.safe_load((PROVISIONING / "dashboards" / "tidings.yaml").read_text("utf-8"))
    [provider] = document["providers"]
    compose = yaml.safe_load((COMPOSE / "docker-compose.yaml").read_text("utf-8"))
    mounted = [volume.split(":")[:2] for volume in compose["services"]["grafana"]["volumes"]]
    assert ["./grafana/dashboards", provider["options"]["path"]] in mounted
    assert ["./grafana/provisioning", "/etc/grafana/provisioning"] in mounted
    assert DASHBOARDS


def test_data_sources_are_services_of_compose() -> None:
    document = yaml.safe_load((PROVISIONING / "datasources" / "tidings.yaml").read_text("utf-8"))
    compose = yaml.safe_load((COMPOSE / "docker-compose.yaml").read_text("utf-8"))
    for source in document["datasources"]:
        assert source["url"].partition("://")[2].partition(":")[0] in compose["services"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_asks_a_data_source_that_is_there(path: Path) -> None:
    known = datasources()
    sources = sources_named(dashboard(path))
    assert sources
    assert [source for source in sources if known.get(source["uid"]) != source["type"]] == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_ids_of_their_own_and_do_not_overlap(path: Path) -> None:
    panels = dashboard(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS, panel["title"]
        assert panel["type"] == "row" or (panel["description"] and panel["targets"]), panel["title"]
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_every_expression_is_well_formed() -> None:
    for expression in asked_of_prometheus():
        assert metrics_in(expression), expression


def test_one_that_is_not_is_noticed() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        metrics_in("sum(rate(tidings_deliveries_total[1m])")
