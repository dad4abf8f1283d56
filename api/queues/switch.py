"""The on/off switch of a queue: a row in Postgres, so it holds for all processes, at once, and outlives them."""

from aiohttp import web

from api.audit.record import audit, together
from api.http.auth import require_reach
from api.http.resources import STORE
from tidings.domain.audit import Action
from tidings.domain.message import Queue


async def switch(request: web.Request, name: str, *, active: bool) -> tuple[Queue | None, bool]:
    """Starts or stops a queue; returns it, and whether that changed anything. None where there is none."""
    require_reach(request, queue=name)
    async with together(request):
        queue, changed = await request.app[STORE].queues.set_active(name, active=active) or (None, False)
        if changed:
            await audit(request, Action.QUEUE_START if active else Action.QUEUE_STOP, name)
    return queue, changed
