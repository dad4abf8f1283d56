"""docs/security.md: a row that says it is met says where it is kept and tested, and no chapter is left out."""

import re

import pytest

from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "security.md"
STATES = ("met", "partly", "open", "none here", "deployment")
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.read_text("utf-8").splitlines()
    if re.match(r"\| \d", line)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_whether_it_is_met_and_where(row: list[str]) -> None:
    section, state, kept, tested = row
    assert state.startswith(STATES), section
    if state.startswith(("met", "partly")):
        assert "`" in kept or "msgspec" in kept or "types" in kept or "documents" in kept, section
        assert "`" in tested, section
    if state.startswith("partly"):
        assert ":" in state, f"{section}: what is missing?"


def test_every_chapter_is_there() -> None:
    assert {int(re.match(r"\d+", row[0])[0]) for row in ROWS} == set(range(1, 18))  # type: ignore[index]


def test_the_report_is_found_from_the_readme() -> None:
    assert "SECURITY.md" in (ROOT / "README.md").read_text("utf-8")
