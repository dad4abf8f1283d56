"""Strangers: everything that an open API was attacked with, at once, until the time is over.

`python -m tests.siege.strangers URL SECONDS` prints a line when it begins, and in the end, as JSON, how often each
attack was answered and with which status. All of it goes to loopback, and each attack has a bound: of workers, of
bytes, of connections.
"""

import asyncio
import gzip
import itertools
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

READY: Final = "ready"
"""Printed when they have what they need to begin."""
PASSWORD: Final = "correct horse battery staple"
PATIENCE_SECONDS: Final = 20.0
HALF_OPEN: Final = 200
"""Connections that say nothing, or half of something."""
PAUSE_SECONDS: Final = 0.02
"""Of each worker, between two requests: so the machine has something left for who is honest."""
COMBINING: Final = "a" + "\u0301\u0323" * 100_000 + "@b.de"
LARGE: Final = "x" * 250_000
"""About as much as a webhook may say."""
BOMB: Final = gzip.compress(b" " * 64_000_000)
CURIOUS: Final = (
    "https://[:::::]/",
    "https://[::ffff:1.2.3.999]/",
    "https://[v1.a]/",
    "(" * 10_000,
    "https://" + "ü" * 10_000,
    "https://127.0.0.1:22/",
)
MALFORMED: Final = (
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x00\x01\x02\x03\r\n\r\n",
    b"POST /api/v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tdg_a\x01b\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2_000 + b"\r\n",
    b"POST /api/v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
)


class Strangers:
    """All of them, in one process."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        self._until = 0.0
        self._answers: dict[str, Counter[str]] = {}
        self._random = random.Random(13)
        self._names = itertools.count(1)
        self._keys: list[str] = []
        self._restricted_keys: list[str] = []

    async def run(self) -> dict[str, dict[str, int]]:
        """Attacks until the time is over; the answers by attack and status."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        connector = aiohttp.TCPConnector(limit=64, local_addr=("127.0.2.1", 0))
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as self._session:
            for _ in range(4):
                await self._join()
            print(READY, flush=True)
            self._until = time.monotonic() + self._seconds
            attacks: list[tuple[str, Callable[[], Awaitable[str]], int]] = [
                ("unicode", self._unicode, 1),
                ("gzip", self._gzip, 1),
                ("accounts", self._register, 1),
                ("flood", self._flood, 4),
                ("batches", self._batch, 1),
                ("large", self._large, 2),
                ("curious", self._curious, 1),
                ("lists", self._list, 2),
                ("logins", self._log_in, 4),
                ("malformed", self._malformed, 1),
                ("restricted", self._restricted, 1),
            ]
            workers = [self._repeat(name, attack) for name, attack, count in attacks for _ in range(count)]
            await asyncio.gather(self._half_open(), *workers)
        return {name: dict(sorted(counts.items())) for name, counts in sorted(self._answers.items())}

    async def _repeat(self, name: str, attack: Callable[[], Awaitable[str]]) -> None:
        counts = self._answers.setdefault(name, Counter())
        while time.monotonic() < self._until:
            try:
                counts[await attack()] += 1
            except (aiohttp.ClientError, TimeoutError, OSError):
                counts["cut off"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _send(self, method: str, path: str, body: Any = None, **headers: str) -> str:
        data = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        sent = {"Content-Type": "application/json", **headers}
        async with self._session.request(method, self._url + path, data=data, headers=sent) as answer:
            await answer.read()
            return str(answer.status)

    async def _join(self) -> None:
        """An account with a key; there are as many as the limits let through."""
        email = f"stranger-{next(self._names)}@example.com"
        body = {"email": email, "password": PASSWORD}
        if await self._send("POST", "/api/v1/accounts", body) != "201":
            return
        async with self._session.post(f"{self._url}/api/v1/tokens", json=body) as answer:
            token = (await answer.json()).get("token")
        headers = {"Authorization": f"Bearer {token}"}
        restricted: dict[str, Any] = {"name": "none", "channels": [], "scopes": ["read"]}
        for wanted, keys in (({"name": "a"}, self._keys), (restricted, self._restricted_keys)):
            async with self._session.post(f"{self._url}/api/v1/api-keys", json=wanted, headers=headers) as answer:
                if answer.status == 201:
                    keys.append((await answer.json())["key"])

    def _as_one_of_them(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._random.choice(self._keys or ['none'])}"}

    async def _unicode(self) -> str:
        path = self._random.choice(["/api/v1/tokens", "/api/v1/accounts", "/api/v1/login"])
        return await self._send("POST", path, {"email": COMBINING, "password": PASSWORD})

    async def _gzip(self) -> str:
        headers = {**self._as_one_of_them(), "Content-Encoding": "gzip"}
        return await self._send("POST", "/api/v1/messages", BOMB, **headers)

    async def _register(self) -> str:
        email = f"stranger-{next(self._names)}@example.com"
        return await self._send("POST", "/api/v1/accounts", {"email": email, "password": PASSWORD})

    async def _flood(self) -> str:
        return await self._send("POST", "/api/v1/messages", _message("flood"), **self._as_one_of_them())

    async def _batch(self) -> str:
        body = {"messages": [_message("batch")] * 1000}
        return await self._send("POST", "/api/v1/messages/batch", body, **self._as_one_of_them())

    async def _large(self) -> str:
        return await self._send("POST", "/api/v1/messages", _message(LARGE), **self._as_one_of_them())

    async def _curious(self) -> str:
        message = {**_message("curious"), "recipient": self._random.choice(CURIOUS)}
        return await self._send("POST", "/api/v1/messages", message, **self._as_one_of_them())

    async def _list(self) -> str:
        return await self._send("GET", "/api/v1/messages?limit=500", **self._as_one_of_them())

    async def _log_in(self) -> str:
        """From many addresses, for many names and those of the honest."""
        local = f"127.2.{self._random.randrange(250)}.{self._random.randrange(1, 250)}"
        name = self._random.choice(["honest-0", "honest-1", f"stranger-{self._random.randrange(1000)}"])
        body = {"email": f"{name}@example.com", "password": "a guess, a guess"}
        connector = aiohttp.TCPConnector(local_addr=(local, 0))
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.post(f"{self._url}/api/v1/tokens", json=body) as answer,
        ):
            await answer.read()
            return str(answer.status)

    async def _malformed(self) -> str:
        parts = urlsplit(self._url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, local_addr=("127.0.3.1", 0))
        try:
            writer.write(self._random.choice(MALFORMED))
            await writer.drain()
            async with asyncio.timeout(2.0):
                line = await reader.readline()
            return line[9:12].decode("ascii", "replace") or "closed"
        except TimeoutError:
            return "waits"
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _restricted(self) -> str:
        """A key that may read nothing, which tries to do everything, and to become one for everything."""
        path, wanted = self._random.choice(
            [
                ("/api/v1/users", {"email": "root@example.com", "password": PASSWORD, "role": "admin"}),
                ("/api/v1/messages", _message("restricted")),
                ("/api/v1/queues/default/stop", None),
                ("/api/v1/api-keys", {"name": "everything", "scopes": ["send", "read", "manage", "admin"]}),
                ("/api/v1/me/webhook-secret/rotate", None),
            ]
        )
        key = self._random.choice(self._restricted_keys)
        return await self._send("POST", path, wanted, Authorization=f"Bearer {key}")

    async def _half_open(self) -> None:
        """Opens connections that say too little, keeps them, and counts those that are still there in the end."""
        parts = urlsplit(self._url)
        counts = self._answers.setdefault("half-open", Counter())
        kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        for number in range(HALF_OPEN):
            try:
                reader, writer = await asyncio.open_connection(
                    parts.hostname, parts.port, local_addr=("127.0.4.1", 0), family=socket.AF_INET
                )
                if number % 2:
                    writer.write(b"POST /api/v1/messages HTTP/1.1\r\nHost: a\r\nContent-Le")
                kept.append((reader, writer))
            except OSError:
                counts["refused"] += 1
        await asyncio.sleep(max(0.0, self._until - time.monotonic()))
        for reader, writer in kept:
            counts["closed" if reader.at_eof() else "still open"] += 1
            writer.close()


def _message(content: str) -> dict[str, str]:
    return {
        "channel": "webhook",
        "recipient": "https://example.com/strangers",
        "content": content,
        "due_at": "2036-01-31T09:00:00Z",
    }


if __name__ == "__main__":
    found = asyncio.run(Strangers(sys.argv[1], float(sys.argv[2])).run())
    print(msgspec.json.encode(found).decode())
