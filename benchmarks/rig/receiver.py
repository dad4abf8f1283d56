"""The receiver: a program that counts POSTs and answers 202, as cheaply as asyncio allows.

    python -m benchmarks.rig.receiver --ports 2

It listens on free ports of the loopback and prints them as one line of JSON, with a control port. Every POST is
answered with `{"message": "Accepted", "messageId": …}`, an SMS gateway's answer. The control port (`rig/gateway.py`
speaks to it) takes `GET /counts`, `GET /arrivals[/<port>]`, and `POST /reset`, `/remember`, `/hang/<port>`,
`/release`.

What would make a number lie: a receiver that is the bottleneck. This one takes about 15 µs of CPU a request, against
some 250 µs of any Python client; it is outside of every CPU figure, and on both sides of every ratio.
"""

import argparse
import asyncio
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, cast

import msgspec
import uvloop

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
KEY: Final = re.compile(rb'(?:"content":\s*")?#(\d+)')
"""Contents of benchmarks begin with `#` and their number."""
RECEIPT: Final = b'{"message":"Accepted","messageId":"%08x-0000-4000-8000-000000000000"}'
ANSWER: Final = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(RECEIPT % 0)
    + RECEIPT
)


class Ledger:
    """What has arrived on one port, and how it is treated."""

    hangs = False
    remembers = False

    def __init__(self) -> None:
        self.open = 0
        """Requests that hang at present."""
        self.reset()

    def reset(self) -> None:
        self.remembers = False
        self.count = 0
        self.repeats = 0
        self.first: float | None = None
        self.last: float | None = None
        """Unix times of arrivals."""
        self.arrivals: dict[int, float] = {}

    def note(self, body: bytes, at: float) -> None:
        self.count += 1
        if self.first is None:
            self.first = at
        self.last = at
        if self.remembers and (found := KEY.search(body)):
            number = int(found[1])
            if number in self.arrivals:
                self.repeats += 1
            else:
                self.arrivals[number] = at


class Wire(asyncio.Protocol):
    """One connection: requests with a Content-Length, any number in one gulp or one in many."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        answers = []
        while (end := buffer.find(HEAD_END)) >= 0:
            length = LENGTH.search(buffer, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(buffer) < whole:
                break
            if answer := self.answer(buffer[:end], buffer[end + 4 : whole]):
                answers.append(answer)
            buffer = buffer[whole:]
        self._buffer = buffer
        if answers and self._transport is not None:
            self._transport.write(answers[0] if len(answers) == 1 else b"".join(answers))

    def answer(self, head: bytes, body: bytes) -> bytes:
        """What goes back; nothing leaves the request hanging."""
        raise NotImplementedError


class Door(Wire):
    """A connection to a port that messages are sent to."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self._hanging = 0

    def answer(self, head: bytes, body: bytes) -> bytes:  # noqa: ARG002
        ledger = self._ledger
        ledger.note(body, time.time())
        if ledger.hangs:
            ledger.open += 1
            self._hanging += 1
            return b""
        return ANSWER % ledger.count

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._ledger.open -= self._hanging
        self._hanging = 0


class Control(Wire):
    """A connection to the control port."""

    def __init__(self, ledgers: Mapping[str, Ledger]) -> None:
        super().__init__()
        self._ledgers = ledgers

    def answer(self, head: bytes, body: bytes) -> bytes:  # noqa: ARG002
        _, path, _ = head.split(b" ", 2)
        content = msgspec.json.encode(self._obey(path.decode().strip("/").split("/")))
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            len(content),
            content,
        )

    def _obey(self, path: list[str]) -> object:
        ledgers = self._ledgers
        match path:
            case ["counts"]:
                fields = ("count", "open", "first", "last", "repeats")
                return {name: {field: getattr(each, field) for field in fields} for name, each in ledgers.items()}
            case ["arrivals", *names]:
                return {key: at for name in names or ledgers for key, at in ledgers[name].arrivals.items()}
            case ["reset"]:
                for ledger in ledgers.values():
                    ledger.reset()
            case ["remember"]:
                for ledger in ledgers.values():
                    ledger.remembers = True
            case ["hang", name]:
                ledgers[name].hangs = True
            case ["release"]:
                for ledger in ledgers.values():
                    ledger.hangs = False
        return {}


async def listen(connected: Callable[[], Wire]) -> int:
    """Listens on a free port, which is returned."""
    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0, backlog=1024)
    return int(server.sockets[0].getsockname()[1])


async def serve(ports: int) -> None:
    """Serves until it is killed."""
    ledgers: dict[str, Ledger] = {}

    for _ in range(ports):
        ledger = Ledger()
        ledgers[str(await listen(partial(Door, ledger)))] = ledger
    control = await listen(partial(Control, ledgers))
    print(msgspec.json.encode({"ports": list(ledgers), "control": control}).decode(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", type=int, default=1)
    uvloop.run(serve(parser.parse_args().ports))
