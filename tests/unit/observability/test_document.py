"""tidings/observability/document.py: the generated files are those of the catalogue as it is."""

from tidings.observability.document import DASHBOARD, render_dashboard


def test_the_dashboard_is_up_to_date() -> None:
    assert DASHBOARD.read_text(encoding="utf-8") == render_dashboard(), "run: make generate"
