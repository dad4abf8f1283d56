"""The table that rounds add up to."""

from pathlib import Path

from tests.chaos import verdicts
from tests.chaos.verdicts import Verdict


def verdict(row: str, **changes: object) -> Verdict:
    values: dict[str, object] = {
        "row": row,
        "fault": f"fault {row}",
        "seed": "s",
        "messages": 100,
        "lost": 0,
        "duplicates": 0,
        "duplicates_allowed": 0,
    }
    return Verdict(**{**values, **changes})  # type: ignore[arg-type]


def test_rounds_add_up_to_a_line_each_in_the_order_of_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rounds.jsonl"
    for each in (
        verdict("10a"),
        verdict("2", recovery=1.0, recovery_allowed=5.0),
        verdict("2", duplicates=3, duplicates_allowed=7, recovery=2.5, recovery_allowed=5.0),
    ):
        verdicts.append(path, each)
    [*_, second, tenth] = verdicts.table(verdicts.read(path)).splitlines()
    assert second == "| 2 | fault 2 | 2 | 0 | 200 | 0 | 3 | 7 | 2.5 s (1.8 s) | 5 s |"
    assert tenth == "| 10a | fault 10a | 1 | 0 | 100 | 0 | 0 | 0 | – | – |"


def test_a_round_that_went_wrong_is_counted() -> None:
    wrong = [
        verdict("1", lost=1),
        verdict("1", faults=1),
        verdict("1", unfinished=True),
        verdict("1", duplicates=2, duplicates_allowed=1),
        verdict("1", recovery=6.0, recovery_allowed=5.0),
    ]
    assert all(each.failed for each in wrong)
    assert "| 5 | 5 |" in verdicts.table(wrong)
