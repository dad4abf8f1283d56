"""The program that counts: a webhook receiver that remembers every request by its message id.

Run as a process of its own, so that nothing which is killed takes its memory along:
`python -m tests.chaos.counting_receiver` prints its port. `POST /` is the webhook; `GET /arrivals` tells what came;
`PUT /manner` changes how it answers.
"""

import asyncio
import random
import sys
import time
from typing import Final

import msgspec
from aiohttp import web


class Arrival(msgspec.Struct):
    """One request that was read to its end. Times are Unix seconds."""

    at: float
    possible_duplicate: bool
    """Whether it said so, in the header `tidings-possible-duplicate`."""
    content: str
    answered: float | None = None
    """None where it is not answered yet, or the connection was cut instead."""


class Manner(msgspec.Struct, frozen=True):
    """How requests are answered."""

    delay: float = 0.0
    """Seconds before the answer."""
    cut: float = 0.0
    """Share of requests whose connection is cut in place of an answer."""
    seed: int = 0


Arrivals = dict[str, list[Arrival]]
"""By message id, in the order in which they came."""


class Receiver:
    """Accepts everything."""

    def __init__(self) -> None:
        self._arrivals: Arrivals = {}
        self._manner = Manner()
        self._random = random.Random(0)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/", self._receive)
        app.router.add_get("/arrivals", self._tell)
        app.router.add_put("/manner", self._change)
        return app

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        content = await request.text()
        arrival = Arrival(
            at=time.time(), possible_duplicate="tidings-possible-duplicate" in request.headers, content=content
        )
        self._arrivals.setdefault(request.headers["webhook-id"], []).append(arrival)
        cut = self._random.random() < self._manner.cut
        await asyncio.sleep(self._manner.delay)
        if cut and request.transport is not None:
            request.transport.abort()
        else:
            arrival.answered = time.time()
        return web.Response(status=202)

    async def _tell(self, _request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._arrivals), content_type="application/json")

    async def _change(self, request: web.Request) -> web.Response:
        self._manner = msgspec.json.decode(await request.read(), type=Manner)
        self._random = random.Random(self._manner.seed)
        return web.Response()


BACKLOG: Final = 1024


async def main() -> None:
    """Serves until it is killed."""
    runner = web.AppRunner(Receiver().application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
