"""benchmarks/rig/written.py"""

from pathlib import Path

import pytest

from benchmarks import simulate, storage
from benchmarks.rig import report, written

PAGE = "before\n<!-- begin: written by `a` -->\nold\n<!-- end: written by `a` -->\nafter\n"


def test_only_what_is_between_the_markers_changes(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(PAGE)
    for _ in range(2):
        written.put(file, "a", "new")
        assert file.read_text() == PAGE.replace("\nold\n", "\n\nnew\n\n")


def test_a_page_without_a_place_for_it_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(PAGE)
    with pytest.raises(ValueError, match="`b`"):
        written.put(file, "b", "new")
    assert file.read_text() == PAGE


@pytest.mark.parametrize(
    ("file", "program"),
    [
        (report.README, "make bench"),
        (simulate.DOCUMENT, "python -m benchmarks.simulate"),
        (storage.DOCUMENT, "python -m benchmarks.storage"),
    ],
)
def test_the_pages_have_room_for_the_tables(file: Path, program: str, tmp_path: Path) -> None:
    copy = tmp_path / file.name
    copy.write_text(file.read_text("utf-8"), "utf-8")
    written.put(copy, program, "measured")
    assert "\n\nmeasured\n\n" in copy.read_text("utf-8")
