"""tidings/observability/document.py: the generated files are those of the catalogue as it is."""

import pytest

from tidings.observability.document import DASHBOARD, PAGE, render_dashboard, render_page


def test_the_dashboard_is_up_to_date() -> None:
    assert DASHBOARD.read_text(encoding="utf-8") == render_dashboard(), "run: make generate"


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render_page(page), "run: make generate"


def test_a_table_is_made_again_and_what_surrounds_it_stays() -> None:
    page = PAGE.read_text(encoding="utf-8")
    changed = page.replace("| `tidings_in_flight` | gauge |", "| `tidings_in_flight` | counter |")
    assert changed != page
    assert render_page("Above.\n" + changed + "Below.\n") == "Above.\n" + page + "Below.\n"


def test_a_page_without_one_of_the_tables_is_an_error() -> None:
    page = PAGE.read_text(encoding="utf-8").replace("<!-- table: producer -->", "")
    with pytest.raises(ValueError, match=r"^metrics\.md has tables \['every', 'api', 'consumers'\]"):
        render_page(page)
