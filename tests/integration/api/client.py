"""A client that knows what every answer of the API must look like: as the API's own document has it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from io import BytesIO
from typing import Any, Self

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from api.http.body import SERVER
from tests.integration.api import described

MESSAGE: Mapping[str, Any] = {"channel": "sms", "recipient": "+905551111111", "content": "Hello"}
JSON = {"Content-Type": "application/json"}


class Answer(msgspec.Struct, frozen=True):
    """An answer that was read whole."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def faults(self) -> list[tuple[int | None, str | None]]:
        """Index and field of each fault of a problem."""
        return [(fault.get("index"), fault.get("field")) for fault in self.body["errors"]]


class Api:
    """Requests to one API; a problem document is checked for its form wherever it comes from."""

    def __init__(self, url: URL, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    @classmethod
    @asynccontextmanager
    async def serving(cls, app: web.Application) -> AsyncIterator[Self]:
        """The application on a free port, until the block ends."""
        server = TestServer(app)
        await server.start_server(**SERVER)
        async with server, aiohttp.ClientSession() as session:
            yield cls(server.make_url("/"), session)

    async def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        """Sends bytes as they are, and anything else as JSON."""
        if headers is None:
            headers = {} if body is None else JSON
        async with self._session.request(
            method,
            self.url.join(URL(path, encoded=True)),
            data=None if body is None else BytesIO(body if isinstance(body, bytes) else msgspec.json.encode(body)),
            headers=headers,
            skip_auto_headers=["Content-Type"],
        ) as response:
            answer = Answer(response.status, response.headers, msgspec.json.decode(await response.read() or b"{}"))
            described.check(method, response.url.path, response.status, response.content_type, answer.body)
            if response.status >= 400 and not (path.startswith("/health") and response.status == 503):
                assert response.content_type == "application/problem+json"
                assert answer.body["status"] == response.status
                assert answer.body["title"] == HTTPStatus(response.status).phrase
                assert {"type", "detail", "instance"} <= answer.body.keys()
            else:
                assert response.content_type == "application/json"
            return answer

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.send("POST", path, body=body, headers={**(JSON if body is not None else {}), **headers})

    async def put(self, path: str, body: Any) -> Answer:
        return await self.send("PUT", path, body=body)

    async def accept(self, **changes: Any) -> dict[str, Any]:
        """Posts a valid message with these changes; answers it."""
        answer = await self.post("/api/v1/messages", {**MESSAGE, **changes})
        assert answer.status == 201, answer.body
        return answer.body

    async def all_messages(self, query: str = "", *, limit: int = 500) -> list[dict[str, Any]]:
        """Every message, page after page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = await self.get(f"/api/v1/messages?limit={limit}{query}{cursor}")
            assert answer.status == 200, answer.body
            assert len(answer.body["messages"]) <= limit
            found += answer.body["messages"]
            if answer.body["next_cursor"] is None:
                return found
            cursor = f"&cursor={answer.body['next_cursor']}"
