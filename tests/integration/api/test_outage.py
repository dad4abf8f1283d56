"""Postgres away: a clear answer, nothing half done, and all well again afterwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
import pytest_asyncio

from api.app import create_app
from tests.eventually import eventually
from tests.integration.api.client import MESSAGE, Api
from tests.integration.api.wire import Wire
from tidings.settings import Settings


@pytest_asyncio.fixture
async def wire(settings: Settings) -> AsyncIterator[Wire]:
    query = parse_qs(urlsplit(settings.postgres_uri).query)
    socket = f".s.PGSQL.{query['port'][0]}"
    # Not pytest's own temporary folder: the path of a socket may have 107 characters.
    with TemporaryDirectory(prefix="wire-") as folder:
        async with Wire.to(Path(query["host"][0]) / socket, Path(folder) / socket) as whole:
            yield whole


@pytest_asyncio.fixture
async def api(settings: Settings, wire: Wire) -> AsyncIterator[Api]:
    uri = urlsplit(settings.postgres_uri)
    port = parse_qs(uri.query)["port"][0]
    through = uri._replace(query=f"host={quote(str(wire.near.parent), safe='')}&port={port}").geturl()
    async with Api.serving(create_app(msgspec.structs.replace(settings, postgres_uri=through))) as client:
        yield client


async def test_every_request_says_try_again_until_it_is_back(api: Api, wire: Wire) -> None:
    before = await api.accept()
    await wire.cut()
    for method, path, body in (
        ("POST", "/api/v1/messages", MESSAGE),
        ("POST", "/api/v1/messages/batch", {"messages": [MESSAGE]}),
        ("GET", "/api/v1/messages", None),
        ("GET", f"/api/v1/messages/{before['id']}", None),
        ("POST", f"/api/v1/messages/{before['id']}/cancel", None),
        ("PUT", "/api/v1/queues/night", {}),
        ("POST", "/api/v1/queues/default/stop", None),
    ):
        answer = await api.send(method, path, body=body)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1"), path
        assert "sock" not in str(answer.body)
    assert (await api.get("/health")).status == 503
    checks = (await api.get("/health/ready")).body["checks"]
    assert (checks["postgres"], checks["redis"]) == ("does not answer", "ok")
    assert (await api.get("/health/live")).status == 200
    await wire.mend()
    after = await api.accept()
    assert [message["id"] for message in await api.all_messages()] == [after["id"], before["id"]]
    assert (await api.get("/health")).status == 200


async def test_whoever_was_told_yes_is_kept_when_it_breaks_in_the_middle(api: Api, wire: Wire) -> None:
    numbers = iter(range(2000))
    told_yes: list[str] = []
    refused: list[int] = []

    async def client() -> None:
        for number in numbers:
            answer = await api.post("/api/v1/messages", {**MESSAGE, "content": str(number)})
            if answer.status == 201:
                told_yes.append(answer.body["id"])
            else:
                assert answer.status == 503
                refused.append(number)

    async def breaks() -> None:
        async def look() -> bool:
            return len(told_yes) >= 200

        await eventually(look, every=0.001)
        await wire.cut()
        await wire.mend()

    await asyncio.gather(breaks(), *(client() for _ in range(20)))
    kept = [message["id"] for message in await api.all_messages()]
    assert len(kept) == len(set(kept))
    assert set(told_yes) <= set(kept)
    assert len(told_yes) + len(refused) == 2000
    # Committed, but the answer was lost on the wire: at most what was in flight.
    assert len(kept) - len(told_yes) <= 20
