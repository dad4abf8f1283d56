"""Messaging Server: one switch, and a list of what was sent."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Self
from uuid import UUID

import msgspec
from aiohttp import hdrs, web

from api.body import answer, read
from api.compat import default_queue
from api.compat.sent_messages import sent_messages
from api.compat.system import UNPROCESSABLE_IS_BAD, Problem, System
from api.problems import RequestError
from api.schemas import Health
from tidings.model import Message

PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tidings</title>
<h1>tidings</h1>
<p>A message-delivery service: it takes messages now or for a later time, and delivers each one on time, once.</p>
<ul>
<li><a href="/health">Do its stores answer?</a></li>
<li><a href="/health/ready">Could a message be delivered now?</a></li>
<li><a href="/api/v1/messages">Messages, newest first</a></li>
<li><a href="/api/v1/queues">Queues, their pace and their switches</a></li>
<li><a href="/metrics">Metrics, for Prometheus</a></li>
</ul>
</html>
"""


class ActionRequest(msgspec.Struct, frozen=True):
    """What to do with everything."""

    action: str = ""


class SentMessage(msgspec.Struct, frozen=True, rename="pascal"):
    """A message in the list, where all are sent."""

    id: UUID
    content: str
    phone: str
    status: bool = True

    @classmethod
    def of(cls, message: Message) -> Self:
        """A sent message out of the store."""
        return cls(id=message.id, content=message.content, phone=message.recipient)


_decoder: Final = msgspec.json.Decoder(ActionRequest)


async def index(request: web.Request) -> web.Response:
    """A page for browsers, JSON for programs."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    headers: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT}
    if "text/html" in accept and "application/json" not in accept:
        headers["Content-Security-Policy"] = "default-src 'none'"
        return web.Response(text=PAGE, content_type="text/html", headers=headers)
    return answer(Health(message="messaging-server", status="ok"), headers=headers)


async def control(request: web.Request) -> web.Response:
    """Starts or stops."""
    wanted = await read(request, _decoder, any_type=True)
    match wanted.action.lower():
        case "start" if await default_queue.start(request):
            return answer({"status": "scheduler started"}, status=HTTPStatus.CREATED)
        case "start":
            return answer({"status": "scheduler already running"})
        case "stop":
            await default_queue.stop(request)
            return answer({"status": "stop requested"}, status=HTTPStatus.ACCEPTED)
        case _:
            raise RequestError(HTTPStatus.BAD_REQUEST, "invalid action, must be 'start' or 'stop'")


async def list_sent(request: web.Request) -> web.Response:
    """A page of the sent messages, the last one first."""
    messages, headers = await sent_messages(request)
    shown: Sequence[SentMessage] = [SentMessage.of(message) for message in messages]
    return answer(shown, headers=headers)


def _say(problem: Problem) -> web.Response:
    return answer({"error": problem.detail})


SYSTEM: Final = System(
    routes=(
        web.get("/", index),
        web.post("/api/v1/messaging", control),
        web.get("/api/v1/list", list_sent),
    ),
    public=frozenset({index}),
    paths=re.compile(r"/|/api/v1/(messaging|list)(/.*)?"),
    statuses=UNPROCESSABLE_IS_BAD,
    say=_say,
)
