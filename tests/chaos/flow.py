"""The steady flow: new messages through the API, one request each, whether or not it answers.

What was answered with a 2xx counts as accepted, and must not be lost. Anything else was not accepted; it may have been
kept all the same, and is then delivered, once.
"""

import asyncio
import itertools
import random
import time
from typing import Any, Final

import aiohttp
import msgspec

OUTSTANDING: Final = 200
"""Requests without an answer at the most; beyond that the flow pauses."""
PATIENCE_SECONDS: Final = 45.0
REST_SECONDS: Final = 0.05
"""Pause after a refusal, so that a machine that is starting something again has room to."""


class Accepted(msgspec.Struct, frozen=True):
    """A message that the API took."""

    id: str
    at: float
    """When its 2xx came, Unix seconds."""


class Flow:
    """Posts `rate` messages a second from `start` to `stop`."""

    def __init__(self, api: str, recipient: str, *, rate: float, rng: random.Random) -> None:
        self._api = api
        self._recipient = recipient
        self._every = 1 / rate
        self._rng = rng
        self._numbers = itertools.count(1)
        self._posting: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self.accepted: list[Accepted] = []
        self.refused = 0
        self.changes: dict[str, Any] = {}
        """What the messages have beside their channel, recipient, content and priority."""

    def start(self) -> None:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS))
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Posts nothing more, and returns when every request has its answer."""
        if self._loop is None:
            return
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)
        self._loop = None
        await asyncio.gather(*self._posting)
        await self._http.close()

    async def _run(self) -> None:
        while True:
            if len(self._posting) < OUTSTANDING:
                post = asyncio.create_task(self.post())
                self._posting.add(post)
                post.add_done_callback(self._posting.discard)
            await asyncio.sleep(self._every)

    async def post(self, **changes: object) -> None:
        """One message more; `changes` are fields of the request."""
        answer = await self._ask("/api/v1/messages", {**self._message(), **changes})
        if answer is None:
            self.refused += 1
            await asyncio.sleep(REST_SECONDS)
        else:
            self.accepted.append(Accepted(answer["id"], time.time()))

    async def burst(self, count: int) -> None:
        """That many at once, in one request."""
        answer = await self._ask("/api/v1/messages/batch", {"messages": [self._message() for _ in range(count)]})
        if answer is None:
            self.refused += count
        else:
            now = time.time()
            self.accepted += [Accepted(message_id, now) for message_id in answer["ids"]]

    def _message(self) -> dict[str, Any]:
        return {
            "channel": "webhook",
            "recipient": self._recipient,
            "content": f"message {next(self._numbers)}",
            "priority": self._rng.choice(("high", "normal", "normal", "low")),
            **self.changes,
        }

    async def _ask(self, path: str, body: object) -> Any:
        """The decoded answer; None where it was not a 201."""
        try:
            async with self._http.post(self._api + path, json=body) as response:
                answer = await response.read()
                return msgspec.json.decode(answer) if response.status == 201 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
