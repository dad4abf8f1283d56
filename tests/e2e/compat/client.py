"""A program that was written for one of the earlier systems: it knows a base URL, and plain HTTP."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import aiohttp
import msgspec


class Answer(msgspec.Struct, frozen=True):
    """An answer that was read whole."""

    status: int
    headers: Mapping[str, str]
    content_type: str
    text: str

    @property
    def json(self) -> Any:
        assert self.content_type == "application/json", self
        return msgspec.json.decode(self.text)


class Client:
    """Its requests."""

    def __init__(self, session: aiohttp.ClientSession, url: str, **headers: str) -> None:
        self._session = session
        self._url = url
        self._headers = headers

    def with_headers(self, **headers: str) -> "Client":
        """The same client, which sends these too."""
        return Client(self._session, self._url, **{**self._headers, **headers})

    async def send(
        self, method: str, path: str, *, json: Any = None, data: str | None = None, **headers: str
    ) -> Answer:
        """A request with a JSON body, or with a body as it is."""
        body = None if data is None else BytesIO(data.encode())
        async with self._session.request(
            method, self._url + path, json=json, data=body, headers={**self._headers, **headers}
        ) as response:
            return Answer(response.status, response.headers, response.content_type, await response.text())

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.send("GET", path, **headers)

    async def post(self, path: str, json: Any = None, **headers: str) -> Answer:
        return await self.send("POST", path, json=json, **headers)

    async def put(self, path: str, json: Any = None, **headers: str) -> Answer:
        return await self.send("PUT", path, json=json, **headers)
