"""`fake_tidings` and `tidings_server` for pytest, which finds this by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tidings_client.testing.fake import FakeTidings
    from tidings_client.testing.server import TidingsServer

# Imported when they are asked for: whoever does not, waits for nothing.
# ruff: noqa: PLC0415


@pytest.fixture
def fake_tidings() -> Iterator[FakeTidings]:
    """A tidings in memory, for one test; no request of it leaves the process."""
    from tidings_client.testing.fake import FakeTidings

    with FakeTidings() as fake:
        yield fake


@pytest.fixture(scope="session")
def tidings_server() -> Iterator[TidingsServer]:
    """A real tidings, for the whole session: `Client(tidings_server.url)`. It takes some seconds to start."""
    from tidings_client.testing.server import running

    with running() as server:
        yield server
