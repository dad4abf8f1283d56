"""The transport under test, with time limits that a test can wait for."""

from collections.abc import AsyncIterator

import pytest

from tidings.channels.http.client import HttpClient
from tidings.channels.http.transport import Transport
from tidings.settings import Settings


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = HttpClient(Settings(connect_timeout=0.2, delivery_timeout=0.4))
    yield transport
    await transport.close()
