"""docs/settings_page.py"""

from docs.settings_page import FILE, render, sections
from tidings.settings import Settings


def test_the_document_in_docs_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == render(), "run: make generate"


def test_every_setting_is_described_once() -> None:
    rows = [row for section in sections() for row in section.rows]
    assert [row.name.split("`")[1] for row in rows] == [name.upper() for name in Settings.__struct_fields__]
    assert all(row.meaning for row in rows)


def test_a_row_says_default_values_and_meaning() -> None:
    lines = render().splitlines()
    assert (
        "| `RETRY_DELAYS` | `5,30,120,600,3600` | numbers, comma-separated |"
        " Seconds before the second, third, … attempt, comma-separated; the last one repeats. |"
    ) in lines
    assert any(line.startswith("| `POSTGRES_URI` 🔒 |  | text |") for line in lines)
    assert any(line.startswith("| `BATCH_SIZE` | `100` | whole number, 1 to 1000 |") for line in lines)
    assert any(line.startswith("| `CONSUMER_NAME` | `gethostname()` | text |") for line in lines)
