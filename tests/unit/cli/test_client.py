"""tidings/cli/client.py: what is asked again, what is listened to, and in which words it fails."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tidings.cli.client import ApiClient, ApiError


@asynccontextmanager
async def serving(path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", path, handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_it_listens_until_the_stream_ends() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in (b": still here\n\nevent: overview\nda", b'ta: {"a": 1}\n\n', b"data: [2]\r\n\r\ndata: cut of"):
            await response.write(part)
        return response

    async with serving("/events", serve) as url, ApiClient(url) as client:
        assert [event async for event in client.listen("/events")] == [{"a": 1}, [2]]
        with pytest.raises(ApiError, match=r"refused \(404\)"):
            await anext(client.listen("/nothing"))


@pytest.mark.parametrize(("patience", "keyed", "asked"), [(5.0, True, 3), (5.0, False, 3), (0.0, True, 1)])
async def test_over_the_quota_it_waits_as_long_as_it_is_told(patience: float, keyed: bool, asked: int) -> None:
    requests: list[web.Request] = []

    async def serve(request: web.Request) -> web.Response:
        requests.append(request)
        if len(requests) < 3:
            return web.json_response({"detail": "your quota"}, status=429, headers={"Retry-After": "0"})
        return web.json_response({"id": 1}, status=201)

    async with serving("/messages", serve) as url, ApiClient(url, patience_seconds=patience) as client:
        try:
            answer = await client.post("/messages", {}, key="one" if keyed else None)
        except ApiError as error:
            answer = error.status
    assert answer == ({"id": 1} if asked == 3 else 429)
    assert len(requests) == asked


async def test_what_is_no_address_and_what_does_not_answer() -> None:
    with pytest.raises(ApiError, match="'ftp://a' is not the address of an API; give it as http://host:port"):
        ApiClient("ftp://a")
    async with ApiClient("127.0.0.1:1") as client:
        with pytest.raises(
            ApiError, match=r"^no answer from http://127\.0\.0\.1:1: .*; is `tidings up` running there\?$"
        ):
            await client.get("/health")


async def test_a_refusal_says_what_gives_the_token() -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.json_response({"detail": "a token is missing"}, status=401)

    async with serving("/queues", serve) as url, ApiClient(url) as client:
        with pytest.raises(ApiError, match=r"^the API refused \(401\): a token is missing \(--api-key or") as refused:
            await client.get("/queues")
    assert (refused.value.status, refused.value.detail) == (401, "a token is missing")
