"""A fake API on loopback, made by the test that wants it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from tests.unit.cli.fake_api import Answer, Asked, FakeApi

Serve = Callable[[Callable[[Asked], Answer]], Awaitable[FakeApi]]


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts fake APIs, and stops them after the test."""
    started: list[FakeApi] = []

    async def start(answer: Callable[[Asked], Answer]) -> FakeApi:
        api = FakeApi(answer)
        await api.start()
        started.append(api)
        return api

    yield start
    for api in started:
        await api.stop()
