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
        "| `WEBHOOK_ALLOW_PORTS` | `80,443,1024-65535` | texts, comma-separated |"
        " Ports that channel `webhook` may reach, and ranges of them, comma-separated. Left out are those of the"
        " classic services (SSH, SMTP, DNS), where no webhook is at home. |"
    ) in lines
    assert any(line.startswith("| `POSTGRES_URI` 🔒 |  | text |") for line in lines)
    assert any(line.startswith("| `BATCH_SIZE` | `100` | whole number, 1 to 1000 |") for line in lines)
    assert any(line.startswith("| `CONSUMER_NAME` | `gethostname()` | text |") for line in lines)
