"""Job Management System: start, stop, what was sent under which id of the provider, and how it is doing."""

import re
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from api import metrics
from api.auth import require_admin
from api.body import answer
from api.compat import default_queue
from api.compat.sent_messages import sent_messages
from api.compat.system import UNPROCESSABLE_IS_BAD, Problem, System
from api.readiness import OK
from api.resources import READINESS, SETTINGS, STORE
from tidings.vault_health import vault_is_up

HEALTHY: Final = "healthy"
UNHEALTHY: Final = "unhealthy"


class SentMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the list."""

    id: UUID
    content: str
    recipient_phone_number: str
    status: str
    message_received_id: str | None
    """The provider's own id, where it gave one."""


async def start(request: web.Request) -> web.Response:
    """Lets the messages go."""
    await default_queue.start(request)
    return web.Response(text="OK")


async def stop(request: web.Request) -> web.Response:
    """Holds the messages back."""
    await default_queue.stop(request)
    return web.Response(text="OK")


async def list_sent(request: web.Request) -> web.Response:
    """A page of the sent messages, the last one first."""
    messages, headers = await sent_messages(request)
    shown = [
        SentMessage(
            id=message.id,
            content=message.content,
            recipient_phone_number=message.recipient,
            status=message.status,
            message_received_id=message.provider_message_id,
        )
        for message in messages
    ]
    return answer(shown, headers=headers)


async def health_check(request: web.Request) -> web.Response:
    """200 while Postgres and Redis answer, and Vault where it is configured; otherwise 503."""
    services = {name: said == OK for name, said in (await request.app[READINESS].stores()).items()}
    if request.app[SETTINGS].vault_addr:
        services["vault"] = await vault_is_up(request.app[SETTINGS])
    well = all(services.values())
    body: dict[str, Any] = {
        "status": HEALTHY if well else UNHEALTHY,
        "services": {name: {"Name": name, "Status": HEALTHY if up else UNHEALTHY} for name, up in services.items()},
    }
    return answer(body, status=HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)


async def health_alive(_request: web.Request) -> web.Response:
    """200 as long as this process serves requests."""
    return answer({"health": "ok"})


async def show_metrics(request: web.Request) -> web.Response:
    """Figures for Prometheus; they are about everybody's messages."""
    require_admin(request)
    return web.Response(body=await metrics.render(request.app[STORE]), headers={"Content-Type": metrics.CONTENT_TYPE})


def _say(problem: Problem) -> web.Response:
    return answer({"error": problem.detail})


SYSTEM: Final = System(
    routes=(
        web.put("/jobs/start", start),
        web.put("/jobs/stop", stop),
        web.get("/messages/sent", list_sent),
        web.get("/health-check", health_check),
        web.get("/health-alive", health_alive),
        web.get("/metrics", show_metrics),
    ),
    public=frozenset({health_check, health_alive}),
    paths=re.compile(r"/(jobs|messages/sent|health-check|health-alive|metrics)(/.*)?"),
    statuses=UNPROCESSABLE_IS_BAD,
    say=_say,
)
