"""message-sending-system: hand in a text message, see what was sent, start and stop."""

import re
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from api import API_VERSION
from api.compat.listing import CHANNEL, NEXT_PAGE, sent_messages
from api.compat.listing import PARAMETERS as PAGE_PARAMETERS
from api.compat.native import accept, start_default_queue, stop_default_queue
from api.compat.system import Problem, System
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY, Recipient
from api.http.problems import RequestError
from api.messages.schemas import MessageRequest
from api.openapi import examples, failures
from api.openapi.operation import Access, Answer, Body, Parameter, Tag, operation
from tidings.domain.api_key import Scope
from tidings.domain.message import Message, NewMessage

TAG: Final = Tag(
    "message-sending-system", "An older system: hand in a text message, see what was sent, start and stop."
)
NAMES: Final = {"recipient": "recipient_phone_number"}


T = TypeVar("T")


class SendRequest(msgspec.Struct, frozen=True):
    """A text message as a client hands it in."""

    content: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    recipient_phone_number: Recipient


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the system's table had it."""

    id: UUID
    content: str
    recipient_phone_number: str
    status: str
    created_at: datetime
    sent_at: datetime | None


class Success(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What was asked for."""

    status: int = HTTPStatus.OK
    success: T


class KeptRow(Success[Row], frozen=True, kw_only=True):
    """A message that was kept."""


class SentRows(Success[Sequence[Row]], frozen=True, kw_only=True):
    """A page of sent messages."""


class Done(Success[str], frozen=True, kw_only=True):
    """That it was done."""

    success: str = "OK"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in a word and in a sentence."""

    msg: str
    reason: str


class FailureAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no success."""

    status: int
    fail: Failure


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What this is."""

    name: str
    version: str


_EXAMPLE: Final = Row(
    id=examples.MESSAGE_ID,
    content="Hello",
    recipient_phone_number=examples.MESSAGE.recipient,
    status="unsent",
    created_at=examples.CREATED,
    sent_at=None,
)
_SENT_EXAMPLE: Final = msgspec.structs.replace(_EXAMPLE, status="sent", sent_at=examples.DUE)

_decoder: Final = msgspec.json.Decoder(SendRequest)
_INTERNATIONAL: Final = re.compile(r"00(?=[1-9])")
_MESSAGES: Final = {
    HTTPStatus.BAD_REQUEST: "validation error",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid request body",
}


@operation(
    TAG,
    access=Access.MEMBERS,
    scope=Scope.SEND,
    body=Body(
        _decoder,
        {"a text message": {"content": "Hello", "recipient_phone_number": "+905551111111"}},
        max_bytes=SMALL_BODY,
    ),
    answers=Answer("It is kept.", KeptRow, KeptRow(success=_EXAMPLE)),
    errors=failures.QUOTA,
)
async def send(request: web.Request) -> web.Response:
    """Keeps a text message for now."""
    wanted = await read(request, _decoder)
    # The prefix with which an international number is dialled in most countries.
    number = _INTERNATIONAL.sub("+", wanted.recipient_phone_number.strip(), count=1)
    message = await accept(
        request, MessageRequest(channel=CHANNEL, recipient=number, content=wanted.content), names=NAMES
    )
    return answer(KeptRow(success=_row(message, status="unsent", sent_at=None)))


@operation(
    TAG,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=PAGE_PARAMETERS,
    answers=Answer("A page.", SentRows, SentRows(success=[_SENT_EXAMPLE]), headers=NEXT_PAGE),
)
async def list_sent(request: web.Request) -> web.Response:
    """Lists sent text messages, the last one first."""
    messages, headers = await sent_messages(request)
    rows = [_row(message, status="sent", sent_at=message.sent_at) for message in messages]
    return answer(SentRows(success=rows), headers=headers)


@operation(
    TAG,
    access=Access.ADMINS,
    scope=Scope.MANAGE,
    parameters=(Parameter("action", Literal["start", "stop"], "What to do.", "start", "path"),),
    answers=Answer("Done.", Done, Done()),
    errors={HTTPStatus.UNPROCESSABLE_ENTITY: "the last part of the path must be start or stop"},
)
async def control(request: web.Request) -> web.Response:
    """Starts or stops.

    It is the switch of queue `default`, for all processes.
    """
    match request.match_info["action"]:
        case "start":
            await start_default_queue(request)
        case "stop":
            await stop_default_queue(request)
        case _:
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "the last part of the path must be start or stop")
    return answer(Done())


@operation(
    TAG,
    access=Access.EVERYBODY,
    answers=Answer("Its name, and the version of its API.", Version, Version(name="tidings", version=API_VERSION)),
)
async def status(_request: web.Request) -> web.Response:
    """Tells what this is."""
    return answer(Version(name="tidings", version=API_VERSION))


def _row(message: Message | NewMessage, *, status: str, sent_at: datetime | None) -> Row:
    return Row(
        id=message.id,
        content=message.content,
        recipient_phone_number=message.recipient,
        status=status,
        created_at=message.created_at,
        sent_at=sent_at,
    )


def _respond(problem: Problem) -> web.Response:
    message = _MESSAGES.get(HTTPStatus(problem.status)) or HTTPStatus(problem.status).phrase.lower()
    return answer(FailureAnswer(status=problem.status, fail=Failure(msg=message, reason=problem.detail)))


SYSTEM: Final = System(
    routes=(
        web.get("/messages", list_sent),
        web.post("/messages", send),
        web.post("/messages/worker/{action}", control),
        web.get("/status", status),
    ),
    paths=re.compile(r"/(messages|status)(/.*)?"),
    # Here 422 is what cannot be read, and 400 what can be read and is wrong.
    statuses={
        HTTPStatus.BAD_REQUEST: HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
    },
    error=FailureAnswer,
    respond=_respond,
)
