"""compose/prometheus, as promtool sees it: well-formed, and each alert fires when it should."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.observe.expressions import COMPOSE, RULES, alerts

PROMTOOL = shutil.which("promtool")
CASES = Path(__file__).with_name("alerts_test.yml")


def promtool(*arguments: str) -> str:
    if PROMTOOL is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    ran = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_configuration_and_its_rules_are_well_formed() -> None:
    said = promtool("check", "config", str(COMPOSE / "prometheus" / "prometheus.yml"))
    assert f"{len(alerts())} rules found" in said


def test_each_alert_fires_when_it_should_and_not_otherwise() -> None:
    promtool("test", "rules", str(CASES))


def test_each_alert_has_a_case() -> None:
    cases = CASES.read_text("utf-8")
    assert [rule["alert"] for rule in alerts() if rule["alert"] not in cases] == []


def test_a_case_that_does_not_hold_fails(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(
        RULES.read_text("utf-8").replace("tidings_producer_up) == 0", "tidings_producer_up) == 1")
    )
    (tmp_path / "cases.yml").write_text(CASES.read_text("utf-8").replace("../../compose/prometheus/", ""))
    with pytest.raises(AssertionError, match="TidingsNoProducer"):
        promtool("test", "rules", str(tmp_path / "cases.yml"))


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_each_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "action"}
