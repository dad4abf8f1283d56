"""A fake API on loopback, made by the test that wants it, and a folder with packages that are named as ours are."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
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


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """The folder of another project: whoever imports its packages fails."""
    for name in ("api", "consumers", "producer", "sql", "tidings"):
        (tmp_path / name).mkdir()
        for module in ("__init__.py", "__main__.py"):
            (tmp_path / name / module).write_text(f"raise AssertionError('the {name} of somebody else')\n")
    return tmp_path
