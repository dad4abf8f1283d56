"""Messaging Server: one switch, and a list of what was sent."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final, Self
from uuid import UUID

import msgspec
from aiohttp import hdrs, web
from msgspec import UNSET, Meta, UnsetType

from api.compat.listing import NEXT_PAGE, sent_messages
from api.compat.listing import PARAMETERS as PAGE_PARAMETERS
from api.compat.native import start_default_queue, stop_default_queue
from api.compat.system import System
from api.dashboard import pages
from api.health.schemas import HealthAnswer
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY, Name
from api.http.problems import RequestError
from api.openapi import examples
from api.openapi.operation import Access, Answer, Body, Tag, operation
from tidings.domain.api_key import Scope
from tidings.domain.message import Message

TAG: Final = Tag("Messaging Server", "An older system: one switch, and a list of what was sent.")


class State(msgspec.Struct, frozen=True):
    """What became of an action."""

    status: str


_Action = Annotated[Name, Meta(extra_json_schema={"pattern": "^([Ss][Tt][Aa][Rr][Tt]|[Ss][Tt][Oo][Pp])$"})]


class ActionRequest(msgspec.Struct, frozen=True):
    """What to do with everything."""

    action: Annotated[_Action | UnsetType, Meta(description="`start` or `stop`, in letters of either case.")] = UNSET


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


@operation(
    TAG,
    access=Access.EVERYBODY,
    answers=Answer(
        "What this is.", HealthAnswer, HealthAnswer(message="messaging-server", status="ok"), also=("text/html",)
    ),
)
async def index(request: web.Request) -> web.StreamResponse:
    """Shows the dashboard to browsers, and JSON to programs."""
    about = HealthAnswer(message="messaging-server", status="ok")
    response: web.StreamResponse = pages.front() if pages.wanted_by(request) else answer(about)
    response.headers[hdrs.VARY] = hdrs.ACCEPT
    return response


@operation(
    TAG,
    access=Access.ADMINS,
    scope=Scope.MANAGE,
    body=Body(_decoder, {"start": {"action": "start"}, "stop": {"action": "stop"}}, max_bytes=SMALL_BODY),
    answers={
        HTTPStatus.OK: Answer("It was going already.", State, State(status="scheduler already running")),
        HTTPStatus.CREATED: Answer("It goes.", State, State(status="scheduler started")),
        HTTPStatus.ACCEPTED: Answer("It stops.", State, State(status="stop requested")),
    },
    errors={HTTPStatus.BAD_REQUEST: "invalid action, must be 'start' or 'stop'"},
)
async def control(request: web.Request) -> web.Response:
    """Starts or stops.

    It is the switch of queue `default`, for all processes.
    """
    wanted = await read(request, _decoder, any_type=True)
    match wanted.action and wanted.action.lower():
        case "start" if await start_default_queue(request):
            return answer(State("scheduler started"), status=HTTPStatus.CREATED)
        case "start":
            return answer(State("scheduler already running"))
        case "stop":
            await stop_default_queue(request)
            return answer(State("stop requested"), status=HTTPStatus.ACCEPTED)
        case _:
            raise RequestError(HTTPStatus.BAD_REQUEST, "invalid action, must be 'start' or 'stop'")


@operation(
    TAG,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=PAGE_PARAMETERS,
    answers=Answer(
        "A page.",
        list[SentMessage],
        [SentMessage(id=examples.MESSAGE_ID, content=examples.MESSAGE.content, phone=examples.MESSAGE.recipient)],
        headers=NEXT_PAGE,
    ),
)
async def list_sent(request: web.Request) -> web.Response:
    """Lists sent text messages, the last one first."""
    messages, headers = await sent_messages(request)
    shown: Sequence[SentMessage] = [SentMessage.of(message) for message in messages]
    return answer(shown, headers=headers)


SYSTEM: Final = System(
    routes=(
        web.get("/", index),
        web.post("/api/v1/messaging", control),
        web.get("/api/v1/list", list_sent),
    ),
    paths=re.compile(r"/|/api/v1/(messaging|list)(/.*)?"),
)
