"""examples/: each runs as it stands, against a real API."""

import asyncio
import sys

import pytest

from api.app import create_app
from tests.docs.blocks import ROOT
from tests.integration.api.client import Api
from tidings.settings import Settings
from tidings_client import AsyncClient


@pytest.mark.parametrize("count", [1234])
async def test_many_are_sent_once_however_often_it_is_started(settings: Settings, count: int) -> None:
    async with Api.serving(create_app(settings)) as api:
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(ROOT / "examples" / "send_many.py"),
                str(count),
                env={"TIDINGS_URL": str(api.url)},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
            assert (process.returncode, err) == (0, b"")
            assert out.startswith(b"1,234 accepted in ")
        async with AsyncClient(str(api.url)) as client:
            assert len({message.recipient async for message in client.list()}) == count
