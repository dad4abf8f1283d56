"""The transport under test, with time limits that a test can wait for."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest

from tidings.channels.http.transport import Transport
from tidings.channels.http.transports import open_transport
from tidings.settings import Settings


@pytest.fixture
def http_transport() -> Literal["aiohttp", "pyreqwest"]:
    """Parametrized where both have to do the same."""
    return "aiohttp"


@pytest.fixture
async def transport(http_transport: Literal["aiohttp", "pyreqwest"]) -> AsyncIterator[Transport]:
    transport = open_transport(Settings(http_transport=http_transport, connect_timeout=0.2, delivery_timeout=0.4))
    yield transport
    await transport.close()
