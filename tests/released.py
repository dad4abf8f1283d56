"""What the last release was, as CHANGELOG.md tells it."""

import re
from pathlib import Path
from typing import Final

CHANGELOG: Final = Path(__file__).parents[1] / "CHANGELOG.md"


def released_schema() -> int:
    """The schema of the newest version that is out: its section says `Schema N`."""
    found = re.search(r"^Schema (\d+)\.", CHANGELOG.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return int(found[1])
