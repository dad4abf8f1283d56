"""The command line against a real API: commands run in a thread, as each of them brings an event loop of its own."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import pytest
import pytest_asyncio

from api.app import create_app
from tests.integration.api.client import Api
from tidings.cli import main
from tidings.settings import Settings


class Ran(NamedTuple):
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


Tidings = Callable[..., Awaitable[Ran]]


@pytest_asyncio.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    async with Api.serving(create_app(settings)) as client:
        yield client


@pytest.fixture
def tidings(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tidings:
    """Runs a command line against the API."""
    monkeypatch.setenv("TIDINGS_URL", str(api.url))
    monkeypatch.delenv("API_KEY", raising=False)
    # Nobody is there to be asked.
    monkeypatch.setattr("sys.stdin", io.StringIO())

    async def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = await asyncio.to_thread(main, arguments)
        return Ran(code, *capsys.readouterr())

    return run
