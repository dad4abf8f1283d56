"""Every block of code in the README, in CONTRIBUTING and in docs/ is run, in its order, against a running tidings."""

from pathlib import Path

import pytest

from tests.docs.blocks import DOCUMENTS, ROOT, Block, blocks, name_of
from tests.docs.document import Document
from tests.docs.running import Running, running
from tests.docs.shell import Shell
from tidings.settings import Settings

pytestmark = pytest.mark.timeout(300)

MAKES_ACCOUNTS = ROOT / "docs" / "accounts.md"
"""Has a system of its own."""
TELLS_MORE = ROOT / "docs" / "events.md"
"""Its status events are messages of their own, which come when they come."""
IN_ORDER = [*(each for each in DOCUMENTS if each not in {MAKES_ACCOUNTS, TELLS_MORE}), TELLS_MORE]


@pytest.mark.parametrize("document", IN_ORDER, ids=name_of)
def test_a_document_is_true(document: Path, system: Running, tmp_path: Path) -> None:
    Document(Shell(system, tmp_path)).run(blocks(document))


def test_the_document_that_makes_accounts_is_true(settings: Settings, tmp_path: Path) -> None:
    with running(POSTGRES_URI=settings.postgres_uri, REDIS_URI=settings.redis_uri) as started:
        Document(Shell(started, tmp_path)).run(blocks(MAKES_ACCOUNTS))


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    missing = [each.name for each in (ROOT / "docs").glob("*.md") if f"]({each.name})" not in index]
    assert missing == ["README.md"]


def test_a_refused_request_fails_its_document(system: Running, tmp_path: Path) -> None:
    asks = Block("page.md:1", "sh", "curl -s -X POST localhost:8080/api/v1/queues/none/start\n")
    with pytest.raises(AssertionError, match=r"(?s)page\.md:1.*there is no such queue"):
        Document(Shell(system, tmp_path)).run([asks])
