"""Start and stop, which in three of the systems concern everything: here they are the switch of queue `default`.

The switch is a row in Postgres, so it holds for all processes, at once, and outlives them; what is on its way goes on.
"""

from aiohttp import web

from api.http.resources import STORE
from tidings.domain.message import DEFAULT_QUEUE


async def start(request: web.Request) -> bool:
    """Lets the messages go; answers whether they were held back before."""
    return await _switch(request, active=True)


async def stop(request: web.Request) -> bool:
    """Holds the messages back; answers whether they were going before."""
    return await _switch(request, active=False)


async def _switch(request: web.Request, *, active: bool) -> bool:
    changed = await request.app[STORE].queues.set_active(DEFAULT_QUEUE, active=active)
    return changed is not None and changed[1]
