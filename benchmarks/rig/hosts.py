"""A receiver that is as many hosts as are wanted: every address of 127.0.0.0/8, and the path says how it treats a POST.

    python -m benchmarks.rig.hosts
    python -m benchmarks.rig.hosts --certificates folder

`/answers/…` is answered with 202, `/refuses/…` with 503, `/hangs/…` never; `/limited/…` takes `PER_SECOND` requests a
second, all hosts together, which are counted as answered, and answers the rest with 429 and `Retry-After: 1`. With
`--certificates` it speaks TLS; for each address the folder has a file `<address>.pem`. It prints its port and its
control port as one line of JSON; `rig/gateway.py` speaks to the control port, where each manner has counts of its own.

What would make a number lie: connections come through one listening socket, whose backlog has to hold all that open at
once; the kernel cuts it to `net.core.somaxconn`.
"""

import argparse
import asyncio
import socket
import ssl
import time
from functools import partial
from pathlib import Path
from typing import Final, cast

import msgspec
import uvloop

from benchmarks.rig.receiver import ANSWER, Control, Ledger, Wire, listen
from tidings.runtime.files import raise_open_files_limit

MANNERS: Final = ("answers", "refuses", "hangs", "limited")
PER_SECOND: Final = 5
BACKLOG: Final = 4096
SAID: Final = {
    "refuses": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "limited": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
}


class Bucket:
    """A second's worth of requests at most, refilled evenly."""

    def __init__(self, now: float) -> None:
        self._left = float(PER_SECOND)
        self._at = now

    def take(self, now: float) -> bool:
        self._left = min(self._left + (now - self._at) * PER_SECOND, PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Host(Wire):
    """One connection to any of the hosts."""

    def __init__(self, ledgers: dict[str, Ledger], bucket: Bucket) -> None:
        super().__init__()
        self._ledgers = ledgers
        self._bucket = bucket
        self._hanging = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not transport.get_extra_info("sockname")[0].startswith("127."):
            cast("asyncio.Transport", transport).abort()

    def answer(self, head: bytes, body: bytes) -> bytes:
        manner = head.split(b"/", 2)[1].decode()
        now = time.time()
        if manner == "limited" and self._bucket.take(now):
            manner = "answers"
        ledger = self._ledgers[manner]
        ledger.note(body, now)
        if manner in SAID:
            return SAID[manner]
        if manner == "hangs":
            ledger.open += 1
            self._hanging += 1
            return b""
        return ANSWER % ledger.count

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._ledgers["hangs"].open -= self._hanging
        self._hanging = 0


async def serve(contexts: dict[str, ssl.SSLContext] | None) -> None:
    """Serves until it is killed; over TLS where each address has a context."""
    raise_open_files_limit()
    ledgers = {manner: Ledger() for manner in MANNERS}
    connected = partial(Host, ledgers, Bucket(time.time()))
    with socket.create_server(("0.0.0.0", 0), backlog=BACKLOG) as listening:
        listening.setblocking(False)
        control = await listen(partial(Control, ledgers))
        ready = {"ports": MANNERS, "control": control, "port": listening.getsockname()[1]}
        print(msgspec.json.encode(ready).decode(), flush=True)
        if contexts is None:
            server = await asyncio.get_running_loop().create_server(connected, sock=listening, backlog=BACKLOG)
            await server.serve_forever()
        else:
            await _accept(listening, connected, contexts)


async def _accept(listening: socket.socket, connected: partial[Host], contexts: dict[str, ssl.SSLContext]) -> None:
    """Accepts connections; each is shown the certificate of the address that it came to."""
    loop = asyncio.get_running_loop()

    async def shake_hands(accepted: socket.socket, context: ssl.SSLContext) -> None:
        try:
            await loop.connect_accepted_socket(connected, accepted, ssl=context)
        except (OSError, ssl.SSLError):  # the other side left; it is its figure that misses a message
            accepted.close()

    async with asyncio.TaskGroup() as shaking:
        while True:
            accepted, _ = await loop.sock_accept(listening)
            context = contexts.get(accepted.getsockname()[0])
            if context is None:
                accepted.close()
            else:
                shaking.create_task(shake_hands(accepted, context))


def _context(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificates", type=Path)
    folder: Path | None = parser.parse_args().certificates
    uvloop.run(serve(None if folder is None else {file.stem: _context(file) for file in folder.glob("*.pem")}))
