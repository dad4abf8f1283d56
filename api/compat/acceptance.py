"""Taking a message in by the rules of the native API, with faults told by the names that the client knows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
from aiohttp import web

from api.http.auth import principal
from api.http.problems import InvalidError
from api.http.resources import INTAKE, QUEUE_NAMES, SETTINGS
from api.messages.schemas import MessageRequest
from api.messages.validation import to_message
from tidings.domain.message import NewMessage


@contextmanager
def renamed(names: Mapping[str, str]) -> Iterator[None]:
    """Faults that are found in the block are told by the client's names, which are given by ours."""
    try:
        yield
    except InvalidError as error:
        raise InvalidError(
            [msgspec.structs.replace(fault, field=names.get(fault.field or "", fault.field)) for fault in error.errors]
        ) from None


async def accept(request: web.Request, wanted: MessageRequest, *, names: Mapping[str, str]) -> NewMessage:
    """Keeps the message and returns once it is committed. `names` are the client's, by ours. Raises InvalidError."""
    with renamed(names):
        message = to_message(
            wanted,
            queues=await request.app[QUEUE_NAMES].among((wanted.queue,)),
            max_tries=request.app[SETTINGS].max_tries,
            principal=principal(request),
        )
    await request.app[INTAKE].keep(message)
    return message
