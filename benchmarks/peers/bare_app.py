"""The least that an aiohttp server can do for a POST: decode the JSON, answer it with 201.

    python -m benchmarks.peers.bare_app

Prints one line of JSON: its URL.
"""

import asyncio

import msgspec
import uvloop
from aiohttp import web


async def create(request: web.Request) -> web.Response:
    message = msgspec.json.decode(await request.read())
    return web.Response(body=msgspec.json.encode(message), status=201, content_type="application/json")


async def serve() -> None:
    """Serves until it is killed."""
    app = web.Application()
    app.router.add_post("/api/v1/messages", create)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(msgspec.json.encode({"url": f"http://127.0.0.1:{runner.addresses[0][1]}"}).decode(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
