"""Honest clients: each has an account, posts at a steady pace, logs in now and then, and gets all of its messages."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp
import msgspec
from aiohttp import web

from tests.siege.house import OPERATORS_KEY

CLIENTS: Final = 4
POSTS_A_SECOND: Final = 5.0
"""Of each client."""
LOGIN_SECONDS: Final = 5.0
AHEAD_SECONDS: Final = 1.0
"""How long before its due time a message is posted."""
PATIENCE_SECONDS: Final = 30.0
PASSWORD: Final = "correct horse battery staple"


class Result(msgspec.Struct):
    """What honest clients have seen."""

    statuses: Counter[int] = msgspec.field(default_factory=Counter)
    """Of posts; 0: no answer at all."""
    refusals: Counter[str] = msgspec.field(default_factory=Counter)
    """What was said of posts that were not accepted."""
    logins: Counter[int] = msgspec.field(default_factory=Counter)
    post_seconds: list[float] = []
    due: dict[str, float] = {}
    """When each accepted message was due, by its text."""
    late_seconds: dict[str, float] = {}

    @property
    def lost(self) -> list[str]:
        """Messages that were accepted and have not arrived."""
        return sorted(self.due.keys() - self.late_seconds.keys())


class Receiver:
    """Where webhooks arrive, those of strangers too."""

    def __init__(self, result: Result) -> None:
        self.url = ""
        self._result = result

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Receiver"]:
        app = web.Application()
        app.router.add_post("/honest", self._arrived)
        app.router.add_post("/strangers", self._ignored)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _arrived(self, request: web.Request) -> web.Response:
        arrived = time.time()
        text = await request.text()
        # A message may arrive before its sender has been told that it was accepted: `due` is set by then all the same.
        if text not in self._result.late_seconds:
            self._result.late_seconds[text] = arrived - float(text.rpartition(" ")[2])
        return web.Response()

    async def _ignored(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response()


class Client:
    """One of them, at an address of its own."""

    def __init__(self, number: int, url: str, hook: str, result: Result) -> None:
        self._number = number
        self._url = url
        self._hook = hook
        self._result = result
        self._email = f"honest-{number}@example.com"

    async def run(self, seconds: float, began: asyncio.Event) -> None:
        connector = aiohttp.TCPConnector(local_addr=(f"127.0.1.{self._number + 1}", 0))
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            body = {"email": self._email, "password": PASSWORD}
            headers = {"Authorization": f"Bearer {OPERATORS_KEY}"}
            async with session.post(f"{self._url}/api/v1/users", json=body, headers=headers) as made:
                assert made.status == 201, await made.text()
            token = await self._log_in(session)
            headers = {"Authorization": f"Bearer {token}"}
            async with session.post(f"{self._url}/api/v1/api-keys", json={"name": "shop"}, headers=headers) as made:
                assert made.status == 201, await made.text()
                key = (await made.json())["key"]
            await began.wait()
            until = time.monotonic() + seconds
            await asyncio.gather(self._post_on(session, key, until), self._log_in_on(session, until))

    async def _post_on(self, session: aiohttp.ClientSession, key: str, until: float) -> None:
        """Posts at its pace, whether the one before was answered or not."""
        posts: set[asyncio.Task[None]] = set()
        number = 0
        while time.monotonic() < until:
            number += 1
            post = asyncio.create_task(self._post(session, key, number))
            posts.add(post)
            post.add_done_callback(posts.discard)
            await asyncio.sleep(1 / POSTS_A_SECOND)
        await asyncio.gather(*posts)

    async def _post(self, session: aiohttp.ClientSession, key: str, number: int) -> None:
        due = time.time() + AHEAD_SECONDS
        text = f"{self._email} {number} {due:.3f}"
        message = {
            "channel": "webhook",
            "recipient": f"{self._hook}/honest",
            "content": text,
            "due_at": (datetime.fromtimestamp(0, UTC) + timedelta(seconds=round(due, 3))).isoformat(),
        }
        began = time.perf_counter()
        try:
            headers = {"Authorization": f"Bearer {key}"}
            async with session.post(f"{self._url}/api/v1/messages", json=message, headers=headers) as answer:
                said = await answer.text()
                self._result.statuses[answer.status] += 1
                if answer.status == 201:
                    self._result.due[text] = due
                else:
                    self._result.refusals[said] += 1
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._result.statuses[0] += 1
        self._result.post_seconds.append(time.perf_counter() - began)

    async def _log_in_on(self, session: aiohttp.ClientSession, until: float) -> None:
        while time.monotonic() + LOGIN_SECONDS < until:
            await asyncio.sleep(LOGIN_SECONDS)
            await self._log_in(session)

    async def _log_in(self, session: aiohttp.ClientSession) -> str:
        body = {"email": self._email, "password": PASSWORD}
        try:
            async with session.post(f"{self._url}/api/v1/tokens", json=body) as answer:
                self._result.logins[answer.status] += 1
                return str((await answer.json()).get("token", ""))
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._result.logins[0] += 1
            return ""


def percentile(values: Sequence[float], share: float) -> float:
    """The value under which this share of them lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
