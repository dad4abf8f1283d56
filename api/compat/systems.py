"""All older systems and their routes; apart from `system`, which each of them imports."""

from typing import Final

from aiohttp import web

from api.compat import (
    distributed_mail_queue,
    job_management_system,
    message_scheduler,
    message_sending_system,
    messaging_server,
)
from api.compat.system import System

SYSTEMS: Final[tuple[System, ...]] = (
    # Before message-sending-system, which has all of /messages but for /messages/sent.
    job_management_system.SYSTEM,
    message_sending_system.SYSTEM,
    messaging_server.SYSTEM,
    distributed_mail_queue.SYSTEM,
    message_scheduler.SYSTEM,
)

ROUTES: Final[tuple[web.RouteDef, ...]] = tuple(route for system in SYSTEMS for route in system.routes)
