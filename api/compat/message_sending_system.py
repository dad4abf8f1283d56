"""message-sending-system: hand in a text message, see what was sent, start and stop."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.body import answer, read
from api.compat import default_queue
from api.compat.acceptance import accept
from api.compat.sent_messages import CHANNEL, sent_messages
from api.compat.system import Problem, System
from api.problems import RequestError
from api.schemas import MessageRequest
from tidings import __version__
from tidings.model import Message, NewMessage

NAMES: Final = {"recipient": "recipient_phone_number"}


class SendRequest(msgspec.Struct, frozen=True):
    """A text message as a client hands it in."""

    content: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    recipient_phone_number: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the system's table had it."""

    id: UUID
    content: str
    recipient_phone_number: str
    status: str
    created_at: datetime
    sent_at: datetime | None


_decoder: Final = msgspec.json.Decoder(SendRequest)
_INTERNATIONAL: Final = re.compile(r"00(?=[1-9])")
_SAID: Final = {
    HTTPStatus.BAD_REQUEST: "validation error",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid request body",
}


async def send(request: web.Request) -> web.Response:
    """Keeps a message for now; answered when it is committed."""
    wanted = await read(request, _decoder)
    # The prefix with which an international number is dialled in most countries.
    number = _INTERNATIONAL.sub("+", wanted.recipient_phone_number.strip(), count=1)
    message = await accept(
        request, MessageRequest(channel=CHANNEL, recipient=number, content=wanted.content), names=NAMES
    )
    return _success(_row(message, status="unsent", sent_at=None))


async def list_sent(request: web.Request) -> web.Response:
    """A page of the sent messages, the last one first."""
    messages, headers = await sent_messages(request)
    return _success([_row(message, status="sent", sent_at=message.sent_at) for message in messages], headers=headers)


async def control(request: web.Request) -> web.Response:
    """Starts or stops."""
    match request.match_info["action"]:
        case "start":
            await default_queue.start(request)
        case "stop":
            await default_queue.stop(request)
        case _:
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "the last part of the path must be start or stop")
    return _success("OK")


async def status(_request: web.Request) -> web.Response:
    """What this is."""
    return answer({"name": "tidings", "version": __version__})


def _row(message: Message | NewMessage, *, status: str, sent_at: datetime | None) -> Row:
    return Row(
        id=message.id,
        content=message.content,
        recipient_phone_number=message.recipient,
        status=status,
        created_at=message.created_at,
        sent_at=sent_at,
    )


def _success(value: Any, *, headers: dict[str, str] | None = None) -> web.Response:
    return answer({"status": HTTPStatus.OK, "success": value}, headers=headers)


def _say(problem: Problem) -> web.Response:
    said = _SAID.get(HTTPStatus(problem.status)) or HTTPStatus(problem.status).phrase.lower()
    return answer({"status": problem.status, "fail": {"msg": said, "reason": problem.detail}})


SYSTEM: Final = System(
    routes=(
        web.get("/messages", list_sent),
        web.post("/messages", send),
        web.post("/messages/worker/{action}", control),
        web.get("/status", status),
    ),
    public=frozenset({status}),
    paths=re.compile(r"/(messages|status)(/.*)?"),
    # Here 422 is what cannot be read, and 400 what can be read and is wrong.
    statuses={
        HTTPStatus.BAD_REQUEST: HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
    },
    say=_say,
)
