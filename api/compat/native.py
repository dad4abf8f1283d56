"""What the older systems do through the native API: take a message in, and switch queue `default`.

Faults are named as the client knows the fields. Start and stop, which in three of the systems concern everything, are
the switch of queue `default`: a row in Postgres, so it holds for all processes, at once, and outlives them. What is on
its way goes on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
from aiohttp import web

from api.http.auth import principal
from api.http.problems import InvalidError
from api.http.resources import KNOWN_QUEUES, MAIL_SENDERS, RETRIES, SETTINGS, TEXTS
from api.messages.schemas import MessageRequest
from api.messages.validation import sealed, to_message
from api.queues.switch import switch
from api.quotas.door import keep
from api.suppressions.door import require_wanted
from tidings.domain.message import DEFAULT_QUEUE, NewMessage


@contextmanager
def renamed(names: Mapping[str, str]) -> Iterator[None]:
    """Faults found in the block name the client's fields; `names` are the client's, by ours."""
    try:
        yield
    except InvalidError as error:
        raise InvalidError(
            [msgspec.structs.replace(fault, field=names.get(fault.field or "", fault.field)) for fault in error.errors]
        ) from None


async def accept(request: web.Request, wanted: MessageRequest, *, names: Mapping[str, str]) -> NewMessage:
    """Keeps the message and returns once it is committed. `names` are the client's, by ours.

    Raises InvalidError, OverQuotaError.
    """
    with renamed(names):
        message = to_message(
            wanted,
            queues=await request.app[KNOWN_QUEUES].among((wanted.queue,)),
            retries=request.app[RETRIES],
            principal=principal(request),
            mail_faults=await request.app[MAIL_SENDERS].faults(wanted, principal(request)),
            text=await request.app[TEXTS].of(wanted, principal(request)),
        )
        message = sealed(message, request.app[SETTINGS])
        await require_wanted(request, message)
    await keep(request, message)
    return message


async def start_default_queue(request: web.Request) -> bool:
    """Lets the messages go. Returns whether they were held back before."""
    return (await switch(request, DEFAULT_QUEUE, active=True))[1]


async def stop_default_queue(request: web.Request) -> bool:
    """Holds the messages back. Returns whether they were going before."""
    return (await switch(request, DEFAULT_QUEUE, active=False))[1]
