"""The report of a drill."""

import json

import pytest

from tidings.cli.drill.report import Canary, DrillReport, print_report, report
from tidings.cli.drill.victims import Victim

VICTIM = Victim(17, "python -m consumers", "1")


def canaries(*accepted_at: float) -> list[Canary]:
    return [Canary(number, f"id-{number}", at) for number, at in enumerate(accepted_at, start=1)]


def test_all_well() -> None:
    found = report(canaries(10.0, 11.0), {"id-1": [10.5], "id-2": [11.0]}, {}, killed_at=None, victims=())
    assert (found.accepted, found.delivered, found.duplicates, found.lost, found.late) == (2, 2, 0, [], [])
    assert found.lateness is not None
    assert (found.lateness.median, found.lateness.longest) == (0.5, 0.5)
    assert found.recovered_seconds is None
    assert found.killed == []


def test_what_did_not_arrive_is_lost_late_or_visibly_cancelled() -> None:
    fates = {"id-1": {"status": "sent"}, "id-2": {"status": "failed"}, "id-3": {"status": "cancelled"}}
    found = report(canaries(1.0, 1.0, 1.0, 1.0), {}, fates, killed_at=None, victims=())
    assert (found.lost, found.late, found.cancelled) == ([1, 4], [2], 1)
    assert found.lateness is None


def test_a_kill_is_followed_until_all_before_it_arrived() -> None:
    arrivals = {"id-1": [10.1], "id-2": [23.0, 24.0], "id-3": [60.0]}
    found = report(canaries(10.0, 11.0, 50.0), arrivals, {}, killed_at=12.0, victims=[VICTIM])
    assert (found.duplicates, found.recovered_seconds) == (1, 11.0)
    assert found.killed == ["process 17 (python -m consumers)"]
    del arrivals["id-2"]
    assert report(canaries(10.0, 11.0), arrivals, {}, killed_at=12.0, victims=[VICTIM]).recovered_seconds is None


@pytest.fixture
def bad() -> DrillReport:
    fates = {"id-1": {"status": "sent"}, "id-2": {"status": "pending"}, "id-3": {"status": "cancelled"}}
    return report(canaries(1.0, 1.0, 1.0, 1.0), {"id-4": [2.5]}, fates, killed_at=1.5, victims=[VICTIM])


def test_the_table_names_what_is_lost(bad: DrillReport, capsys: pytest.CaptureFixture[str]) -> None:
    print_report(bad, as_json=False)
    lines = {line.split("  ")[0].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert "1 (canaries 1)" in lines["lost"]
    assert "1 (canaries 2)" in lines["still on their way"]
    assert lines["cancelled"].endswith("1") or "1 " in lines["cancelled"]
    assert "median 1.500 s" in lines["lateness"]


def test_json_has_the_same_numbers(bad: DrillReport, capsys: pytest.CaptureFixture[str]) -> None:
    print_report(bad, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["lost"], told["late"], told["cancelled"], told["delivered"]) == ([1], [2], 1, 1)
