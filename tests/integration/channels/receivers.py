"""Receivers on loopback, well-behaved and not."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from threading import Thread
from typing import Self

import trustme
from aiohttp import web

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Receiver:
    """A TCP server whose `behaviour` takes over each connection; `requests` and `connections` count what came."""

    def __init__(self, behaviour: Behaviour, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._behaviour = behaviour
        self._host = host
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.connections = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}/hook?token=secret"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for _turn in range(3):
            # A connection that is just being accepted has no task yet.
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._behaviour(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head, await reader.readexactly(length)


@asynccontextmanager
async def web_receiver(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """An aiohttp server that gives every POST to `handler`; yields its URL."""
    app = web.Application()
    app.router.add_post("/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        [address] = runner.addresses
        yield f"http://127.0.0.1:{address[1]}/hook"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def tls_receiver(authority: trustme.CA, name: str) -> AsyncIterator[int]:
    """Says yes over TLS, with a certificate for this name; yields its port."""

    async def receive(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        [address] = runner.addresses
        yield address[1]
    finally:
        await runner.cleanup()


@contextmanager
def strict_receiver(context: ssl.SSLContext) -> Iterator[int]:
    """Says yes over TLS by this context, and tells clients whom it refuses why; yields its port.

    In a thread: a server of asyncio ends without the alert that says so.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        connection.settimeout(5)
        with suppress(OSError), context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as tls:
            try:
                tls.do_handshake()
                request = b""
                while b"\r\n\r\n" not in request and (data := tls.recv(65536)):
                    request += data
                if request:
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except ssl.SSLError:
                # As servers do that let the client read the alert before it hears of the end.
                tls.shutdown(socket.SHUT_WR)
                while tls.recv(65536):
                    pass

    def accept() -> None:
        with suppress(OSError):
            while True:
                serve(listener.accept()[0])

    thread = Thread(target=accept, name="strict receiver")
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
