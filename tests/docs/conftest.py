"""One system for all documents but the one that makes accounts: with the first of them, each request needs a login."""

from collections.abc import Iterator

import pytest

from tests.docs.blocks import ROOT
from tests.docs.packages import install
from tests.docs.running import Running, running


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running system, with the channel that docs/channels.md makes."""
    packages = tmp_path_factory.mktemp("packages")
    install(ROOT / "docs" / "channels.md", "chat_channel", packages)
    with running(PYTHONPATH=str(packages)) as started:
        yield started
