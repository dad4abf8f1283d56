"""Every file and folder of the project that a document names is there."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.docs.blocks import DOCUMENTS, ROOT, code_spans, name_of

ROOMS: Final = (
    "api",
    "benchmarks",
    "compose",
    "consumers",
    "docs",
    "kubernetes",
    "producer",
    "sql",
    "tests",
    "tidings",
)
PATH: Final = re.compile(rf"(?:{'|'.join(ROOMS)})/[\w./-]*")
MADE_LATER: Final = frozenset({"compose/.env", "compose/settings.env"})
"""By `compose/new-env` and by who deploys."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_path_in_a_document_is_there(document: Path) -> None:
    named = [span for span in code_spans(document) if PATH.fullmatch(span.text) and span.text not in MADE_LATER]
    missing = [f"{span.where}: {span.text}" for span in named if not (ROOT / span.text).exists()]
    assert not missing, "these are not there; name where it is now:\n" + "\n".join(missing)


def test_paths_are_found() -> None:
    named = [span.text for span in code_spans(ROOT / "CONTRIBUTING.md") if PATH.fullmatch(span.text)]
    assert {"tests/eventually.py", "sql/", "api/routes.py"} <= set(named)
