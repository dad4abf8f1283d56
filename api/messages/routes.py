"""Messages: hand in one or many, look up, list, cancel, retry."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import hdrs, web

from api.http.auth import principal
from api.http.body import answer, fault_of, read
from api.http.problems import Fault, InvalidError, RequestError
from api.http.resources import INTAKE, QUEUE_NAMES, SETTINGS, STORE
from api.messages import cursor, idempotency
from api.messages.listing import parse_page
from api.messages.schemas import (
    AttemptAnswer,
    AttemptList,
    BatchAnswer,
    BatchRequest,
    MessageAnswer,
    MessageList,
    MessageRequest,
)
from api.messages.validation import sealed, to_message
from api.openapi import examples, parameters, request_examples, tags
from api.openapi.operation import Answer, Body, operation
from sql.messages import IdempotencyKey, MessageStore
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.ids import parse_id
from tidings.domain.message import Message, NewMessage
from tidings.domain.states import Status

_message_decoder: Final = msgspec.json.Decoder(MessageRequest)
_batch_decoder: Final = msgspec.json.Decoder(BatchRequest)

_NOT_CANCELLED: Final = {
    Status.SENT: "it was sent already",
    Status.PROCESSING: "it is on its way already",
}
_NOT_RETRIED: Final = {
    Status.SENT: "it was sent already",
    Status.PROCESSING: "it is on its way already",
    Status.PENDING: "it waits for its first try",
}
_CHANGING: Final = "it changed meanwhile; look again"
NO_MESSAGE: Final = "there is no such message"

_CREATED: Final = {
    hdrs.LOCATION: "The path of the message.",
    idempotency.REPLAYED_HEADER: "`true` where an earlier request with the same key made it.",
}
_CREATED_BATCH: Final = {idempotency.REPLAYED_HEADER: _CREATED[idempotency.REPLAYED_HEADER]}


@operation(
    tags.MESSAGES,
    body=Body(_message_decoder, request_examples.MESSAGES),
    parameters=(parameters.IDEMPOTENCY_KEY,),
    answers={HTTPStatus.CREATED: Answer("It is kept.", MessageAnswer, examples.MESSAGE, headers=_CREATED)},
)
async def create(request: web.Request) -> web.Response:
    """Keeps one message.

    Answered when it is committed; from then on it is delivered, or cancelled for a reason that it shows.
    """
    wanted = await read(request, _message_decoder)
    key = idempotency.key_of(request, wanted)
    try:
        message = await _message(request, wanted)
    except InvalidError:
        # What was right when it came first may be late by now; the first answer stands.
        if key is None or (replay := await _replay(request, key)) is None:
            raise
        return replay
    if await request.app[INTAKE].keep(message, key):
        return _created(MessageAnswer.accepted(message))
    replay = await _replay(request, key) if key is not None else None
    if replay is None:
        raise StoreUnavailableError("the idempotency key has just been forgotten")
    return replay


@operation(
    tags.MESSAGES,
    body=Body(_batch_decoder, request_examples.BATCH),
    parameters=(parameters.IDEMPOTENCY_KEY,),
    answers={HTTPStatus.CREATED: Answer("All of them are kept.", BatchAnswer, examples.BATCH, headers=_CREATED_BATCH)},
)
async def create_batch(request: web.Request) -> web.Response:
    """Keeps many messages, or none.

    They come in one commit. Where one is wrong none is kept, and `errors` names what is wrong with each.
    """
    batch = await read(request, _batch_decoder)
    keys = idempotency.batch_keys_of(request, batch)
    try:
        messages = await _messages(request, batch)
    except InvalidError:
        # As with a single message: the first answer stands.
        if keys is None or (replay := await _replay_batch(request, keys)) is None:
            raise
        return replay
    if await _store(request).insert(messages, keys):
        return _created_batch([message.id for message in messages])
    replay = await _replay_batch(request, keys) if keys is not None else None
    if replay is None:
        raise StoreUnavailableError("the idempotency key has just been forgotten")
    return replay


@operation(
    tags.MESSAGES,
    parameters=(*parameters.MESSAGE_FILTER, *parameters.PLACE),
    answers={HTTPStatus.OK: Answer("A page.", MessageList, examples.MESSAGES)},
)
async def list_page(request: web.Request) -> web.Response:
    """Lists messages, newest first.

    Users see their own, admins all.
    """
    page = parse_page(request.query, principal(request).scope)
    found = await _store(request).list(page.filter, before=page.before, limit=page.limit + 1)
    shown = found[: page.limit]
    return answer(
        MessageList(
            messages=[MessageAnswer.of(message) for message in shown],
            next_cursor=cursor.encode(shown[-1].id) if len(found) > len(shown) else None,
        )
    )


@operation(
    tags.MESSAGES,
    parameters=(parameters.MESSAGE_ID,),
    answers={HTTPStatus.OK: Answer("The message.", MessageAnswer, examples.MESSAGE)},
    errors={HTTPStatus.NOT_FOUND: NO_MESSAGE},
)
async def get(request: web.Request) -> web.Response:
    """Shows one message."""
    return answer(MessageAnswer.of(await find(request)))


@operation(
    tags.MESSAGES,
    parameters=(parameters.MESSAGE_ID,),
    answers={HTTPStatus.OK: Answer("The tries.", AttemptList, examples.ATTEMPTS)},
    errors={HTTPStatus.NOT_FOUND: NO_MESSAGE},
)
async def attempts(request: web.Request) -> web.Response:
    """Lists the tries of one message, oldest first."""
    made = await _store(request).attempts(await find(request))
    return answer(AttemptList(attempts=[AttemptAnswer.of(attempt) for attempt in made]))


@operation(
    tags.MESSAGES,
    parameters=(parameters.MESSAGE_ID,),
    answers={HTTPStatus.OK: Answer("It is cancelled.", MessageAnswer, examples.CANCELLED)},
    errors={HTTPStatus.NOT_FOUND: NO_MESSAGE, HTTPStatus.CONFLICT: _NOT_CANCELLED[Status.SENT]},
)
async def cancel(request: web.Request) -> web.Response:
    """Cancels a waiting message.

    One that is cancelled already stays as it is; one that is on its way cannot be called back.
    """
    message = await find(request)
    if message.status is not Status.CANCELLED:
        message = await _store(request).cancel(message.id) or await find(request)
    if message.status is not Status.CANCELLED:
        raise RequestError(HTTPStatus.CONFLICT, _NOT_CANCELLED.get(message.status, _CHANGING))
    return answer(MessageAnswer.of(message))


@operation(
    tags.MESSAGES,
    parameters=(parameters.MESSAGE_ID,),
    answers={HTTPStatus.OK: Answer("It is due now.", MessageAnswer, examples.MESSAGE)},
    errors={HTTPStatus.NOT_FOUND: NO_MESSAGE, HTTPStatus.CONFLICT: _NOT_RETRIED[Status.PENDING]},
)
async def retry(request: web.Request) -> web.Response:
    """Starts a cancelled message anew, or makes a failed one due now."""
    message = await find(request)
    retried = await _store(request).retry(message.id)
    if retried is None:
        raise RequestError(HTTPStatus.CONFLICT, _NOT_RETRIED.get((await find(request)).status, _CHANGING))
    return answer(MessageAnswer.of(retried))


async def _message(request: web.Request, wanted: MessageRequest) -> NewMessage:
    message = to_message(
        wanted,
        queues=await request.app[QUEUE_NAMES].among((wanted.queue,)),
        max_tries=request.app[SETTINGS].max_tries,
        principal=principal(request),
    )
    return sealed(message, request.app[SETTINGS])


async def _messages(request: web.Request, batch: BatchRequest) -> list[NewMessage]:
    """The messages of a batch. Raises InvalidError with the faults of each bad one."""
    wanted: dict[int, MessageRequest] = {}
    faults: list[Fault] = []
    for index, raw in enumerate(batch.messages):
        try:
            wanted[index] = _message_decoder.decode(raw)
        except msgspec.ValidationError as error:
            faults.append(fault_of(error, index=index))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            faults.append(Fault(index=index, detail="is not JSON"))
    # Unknown queues of the whole batch cost one look.
    await request.app[QUEUE_NAMES].among({each.queue for each in wanted.values()})
    messages = []
    for index, each in wanted.items():
        try:
            messages.append(await _message(request, each))
        except InvalidError as error:
            faults += [msgspec.structs.replace(fault, index=index) for fault in error.errors]
    if faults:
        raise InvalidError(sorted(faults, key=lambda fault: fault.index or 0))
    return messages


async def _replay(request: web.Request, key: IdempotencyKey) -> web.Response | None:
    message = await idempotency.earlier_message(_store(request), key, principal(request).user_id)
    return None if message is None else _created(MessageAnswer.of(message), replayed=True)


async def _replay_batch(request: web.Request, keys: Sequence[IdempotencyKey]) -> web.Response | None:
    ids = await idempotency.earlier_batch(_store(request), keys, principal(request).user_id)
    return None if ids is None else _created_batch(ids, replayed=True)


def _created_batch(ids: Sequence[UUID], *, replayed: bool = False) -> web.Response:
    return answer(
        BatchAnswer(accepted=len(ids), ids=ids),
        status=HTTPStatus.CREATED,
        headers={idempotency.REPLAYED_HEADER: "true"} if replayed else None,
    )


def _created(message: MessageAnswer, *, replayed: bool = False) -> web.Response:
    headers: dict[str, str] = {hdrs.LOCATION: f"/api/v1/messages/{message.id}"}
    if replayed:
        headers[idempotency.REPLAYED_HEADER] = "true"
    return answer(message, status=HTTPStatus.CREATED, headers=headers)


async def find(request: web.Request) -> Message:
    """The message that the path names. Raises RequestError where there is none to show."""
    message_id = parse_id(request.match_info["id"])
    message = None if message_id is None else await _store(request).get(message_id)
    if message is None or not principal(request).may_see(message.user_id):
        raise RequestError(HTTPStatus.NOT_FOUND, NO_MESSAGE)
    return message


def _store(request: web.Request) -> MessageStore:
    return request.app[STORE].messages
