"""Where the canaries of a drill arrive: a webhook receiver that remembers when each came, and how often."""

import asyncio
import os
import secrets
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from tidings.domain.errors import SettingsError

LAST_PORT: Final = 65535


class DrillReceiver:
    """Serves while its context is open, at a path that cannot be guessed."""

    def __init__(self, listen: str, *, public_url: str = "") -> None:
        """`listen` is `host:port`. Raises SettingsError where it is not."""
        self.arrivals: dict[str, list[float]] = {}
        """By message id, Unix seconds, in the order in which they came."""
        self.url = ""
        """Where the deployment is to deliver."""
        self._came = asyncio.Event()
        self._listen = listen
        self._host, self._port = _split(listen)
        self._public_url = public_url
        self._path = f"/drill/{secrets.token_urlsafe(16)}"
        app = web.Application()
        app.router.add_post(self._path, self._receive)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise SettingsError(f"--listen: cannot listen on {self._listen}: {reason.lower()}") from None
        host, port, *_ = self._runner.addresses[0]
        base = self._public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self.url = base.rstrip("/") + self._path
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def all_of(self, message_ids: Iterable[str]) -> None:
        """Returns when each of these has arrived."""
        missing = set(message_ids)
        while missing := missing.difference(self.arrivals):
            self._came.clear()
            await self._came.wait()

    async def _receive(self, request: web.Request) -> web.Response:
        await request.read()
        message_id = request.headers.get("webhook-id")
        if message_id is None:
            return web.Response(status=400)
        self.arrivals.setdefault(message_id, []).append(time.time())
        self._came.set()
        return web.Response(status=204)


def _split(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > LAST_PORT:
        raise SettingsError(f"--listen: {listen!r} is not host:port")
    return host.strip("[]"), int(port)
