"""A load that costs next to nothing: one request again and again over a fixed number of connections.

    python -m benchmarks.rig.poster --url http://127.0.0.1:8080/api/v1/messages --count 20000 --body message.json

Each connection sends its next request when it has the answer to the last, as wrk does. It runs as a process of its own,
prints one line of JSON, and takes about 15 µs of CPU a request: what is measured is the server. It understands answers
with a Content-Length only.
"""

import argparse
import asyncio
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec
import uvloop

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


class Load:
    """How much is left to send, and what came back."""

    def __init__(self, request: bytes, count: int) -> None:
        self.request = request
        self.unsent = count
        self.unanswered = count
        self.statuses: Counter[int] = Counter()
        self.done = asyncio.get_running_loop().create_future()

    def answered(self, status: int) -> None:
        self.statuses[status] += 1
        self.unanswered -= 1
        if not self.unanswered and not self.done.done():
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """One client: a request, its answer, the next request."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def send(self) -> None:
        if self._load.unsent and self._transport is not None:
            self._load.unsent -= 1
            self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        end = buffer.find(HEAD_END)
        length = LENGTH.search(buffer, 0, end) if end >= 0 else None
        if length is None or len(buffer) < end + 4 + int(length[1]):
            self._buffer = buffer
            return
        self._buffer = b""
        self._load.answered(int(buffer[9:12]))
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._load.done.done():
            self._load.done.set_exception(exc or ConnectionError("the server closed a connection"))


async def post(url: str, body: bytes, *, connections: int, count: int) -> dict[str, object]:
    """Sends `count` requests; returns the seconds, the CPU seconds and the statuses."""
    address = urlsplit(url)
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    load = Load(head.encode() + body, count)
    clients = [
        (await loop.create_connection(lambda: Connection(load), str(address.hostname), int(address.port or 80)))[1]
        for _ in range(connections)
    ]
    began, cpu = time.perf_counter(), time.process_time()
    for client in clients:
        client.send()
    await load.done
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "statuses": {str(status): count for status, count in load.statuses.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--body", required=True, help="a file")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--count", type=int, default=20_000)
    asked = parser.parse_args()
    result = uvloop.run(
        post(asked.url, Path(asked.body).read_bytes(), connections=asked.connections, count=asked.count)
    )
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
