"""api/dashboard/static/views/queues.js: the form takes the names that a queue may have, and no others."""

from api.dashboard.pages import STATIC
from tidings.domain.message import QUEUE_NAME_PATTERN


def test_the_form_has_the_rule_for_names() -> None:
    # A browser reads the pattern with the flag v, where a hyphen in a class is escaped; in JavaScript's text, twice.
    pattern = QUEUE_NAME_PATTERN.replace("_-]", r"_\\-]")
    assert f'pattern="{pattern}"' in (STATIC / "views/queues.js").read_text()
