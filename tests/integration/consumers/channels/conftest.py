"""The transport under test, with time limits that a test can wait for."""

from collections.abc import AsyncIterator

import pytest

from consumers.channels.aiohttp_transport import AiohttpTransport
from tidings.settings import Settings


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    transport = AiohttpTransport(Settings(connect_timeout=0.2, delivery_timeout=0.4))
    yield transport
    await transport.close()
