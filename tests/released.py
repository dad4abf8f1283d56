"""What the last release was, as CHANGELOG.md tells it."""

import re
from pathlib import Path
from typing import Final

CHANGELOG: Final = Path(__file__).parents[1] / "CHANGELOG.md"


def released_schema() -> int:
    """The schema of the newest version that is out: its section begins with `Schema N.`"""
    return int(_released()[2])


def released_version() -> str:
    """The newest version that is out."""
    return _released()[1]


def _released() -> re.Match[str]:
    found = re.search(r"^## (\d[\d.]*)\n\nSchema (\d+)\.", CHANGELOG.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found
