"""tidings/cli/client.py: what is asked again, and server-sent events, line by line."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tidings.cli.client import ApiClient, ApiError, Event, events


async def read(text: str) -> list[Event]:
    async def lines() -> AsyncIterator[bytes]:
        for line in text.encode().splitlines(keepends=True):
            yield line

    return [event async for event in events(lines())]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data: 1\n\ndata:2\n\n", [Event("message", "1"), Event("message", "2")]),
        ("event: overview\r\ndata: {}\r\n\r\n", [Event("overview", "{}")]),
        ("data: a\ndata: b\n\n", [Event("message", "a\nb")]),
        (": still here\n\n:\n\ndata: 1\n\n", [Event("message", "1")]),
        ("event: nothing\n\ndata: 1\n\n", [Event("message", "1")]),
        ("id: 7\nretry: 9\ndata: 1\n\ndata: cut of", [Event("message", "1")]),
        ("", []),
    ],
)
async def test_events(text: str, found: list[Event]) -> None:
    assert await read(text) == found


@pytest.mark.parametrize(("patience", "keyed", "asked"), [(5.0, True, 3), (5.0, False, 1), (0.0, True, 1)])
async def test_over_the_quota_it_waits_as_long_as_it_is_told(patience: float, keyed: bool, asked: int) -> None:
    requests: list[web.Request] = []

    async def serve(request: web.Request) -> web.Response:
        requests.append(request)
        if len(requests) < 3:
            return web.json_response({"detail": "your quota"}, status=429, headers={"Retry-After": "0"})
        return web.json_response({"id": 1}, status=201)

    app = web.Application()
    app.router.add_post("/messages", serve)
    async with TestServer(app) as server, ApiClient(str(server.make_url("/")), patience_seconds=patience) as client:
        try:
            answer = await client.post("messages", {}, {"Idempotency-Key": "one"} if keyed else None)
        except ApiError as error:
            answer = (error.status, error.retry_after)
    assert answer == ({"id": 1} if asked == 3 else (429, 0.0))
    assert len(requests) == asked
