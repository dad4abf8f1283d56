"""Queues: their pace, and their on/off switch. Everybody may see them, only an admin may change one."""

import re
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs, web

from api.audit.record import audit, together
from api.http.auth import LIMITED_KEY, principal, require_reach
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.problems import Fault, InvalidError, RequestError
from api.http.resources import KNOWN_QUEUES, STORE
from api.messages.schemas import QueueList, QueueRequest
from api.openapi import examples, parameters, request_examples, tags
from api.openapi.operation import Access, Answer, Body, Operations, operation
from api.queues.switch import switch
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.message import QUEUE_NAME_PATTERN, Queue

_decoder: Final = msgspec.json.Decoder(QueueRequest)
_NAME: Final = re.compile(QUEUE_NAME_PATTERN)
_NO_QUEUE: Final = "there is no such queue"

_switch: Final = Operations(
    tag=tags.QUEUES,
    access=Access.ADMINS,
    scope=Scope.MANAGE,
    parameters=(parameters.QUEUE_NAME,),
    errors={HTTPStatus.FORBIDDEN: LIMITED_KEY, HTTPStatus.NOT_FOUND: _NO_QUEUE},
)


@operation(
    tags.QUEUES, access=Access.MEMBERS, scope=Scope.READ, answers=Answer("All queues.", QueueList, examples.QUEUES)
)
async def list_all(request: web.Request) -> web.Response:
    """Lists all queues, by name; for an API key that is limited to some, those."""
    queues = await request.app[STORE].queues.list()
    return answer(QueueList(queues=[queue for queue in queues if principal(request).may_use_queue(queue.name)]))


@operation(
    tags.QUEUES,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=(parameters.QUEUE_NAME,),
    answers=Answer("The queue.", Queue, examples.QUEUE),
    errors={HTTPStatus.NOT_FOUND: _NO_QUEUE},
)
async def get(request: web.Request) -> web.Response:
    """Shows one queue."""
    name = _known_form(request)
    return answer(
        _existing(await request.app[STORE].queues.get(name) if principal(request).may_use_queue(name) else None)
    )


@operation(
    tags.QUEUES,
    access=Access.ADMINS,
    scope=Scope.MANAGE,
    parameters=(parameters.NEW_QUEUE_NAME,),
    body=Body(_decoder, request_examples.QUEUES, max_bytes=SMALL_BODY),
    answers={
        HTTPStatus.OK: Answer("Its pace is set.", Queue, examples.QUEUE),
        HTTPStatus.CREATED: Answer(
            "It is made.", Queue, examples.QUEUE, headers={hdrs.LOCATION: "The path of the queue."}
        ),
    },
    errors={HTTPStatus.FORBIDDEN: LIMITED_KEY},
)
async def put(request: web.Request) -> web.Response:
    """Makes a queue, or sets the pace of one, and when its messages are tried again.

    With an interval, at most `batch_size` messages go in each; without, every message goes as soon as it is due.
    """
    name = request.match_info["name"]
    require_reach(request, queue=name)
    wanted = await read(request, _decoder)
    if not _NAME.fullmatch(name):
        detail = "must be 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
        raise InvalidError([Fault(field="name", detail=detail)])
    async with together(request):
        queue, created = await request.app[STORE].queues.put(
            name,
            active=wanted.active,
            interval_seconds=wanted.interval_seconds,
            batch_size=wanted.batch_size,
            retry=wanted.retry,
        )
        action = Action.QUEUE_CREATE if created else Action.QUEUE_CHANGE
        await audit(request, action, name, detail=msgspec.to_builtins(wanted))
    request.app[KNOWN_QUEUES].changed()
    if not created:
        return answer(queue)
    return answer(queue, status=HTTPStatus.CREATED, headers={hdrs.LOCATION: f"/api/v1/queues/{name}"})


@_switch(answers=Answer("Its messages go.", Queue, examples.QUEUE))
async def start(request: web.Request) -> web.Response:
    """Starts a queue: its messages go."""
    return await _set_active(request, active=True)


@_switch(answers=Answer("Its messages wait.", Queue, examples.STOPPED_QUEUE))
async def stop(request: web.Request) -> web.Response:
    """Stops a queue: its messages wait.

    What is on its way goes on.
    """
    return await _set_active(request, active=False)


async def _set_active(request: web.Request, *, active: bool) -> web.Response:
    name = _known_form(request)
    return answer(_existing((await switch(request, name, active=active))[0]))


def _known_form(request: web.Request) -> str:
    """The name in the path. Raises RequestError for one that no queue can have."""
    name = request.match_info["name"]
    if not _NAME.fullmatch(name):
        _existing(None)
    return name


def _existing(queue: Queue | None) -> Queue:
    if queue is None:
        raise RequestError(HTTPStatus.NOT_FOUND, _NO_QUEUE)
    return queue
