"""Messages: hand in one or many, look up, list, cancel, retry."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs, web

from api.http.auth import principal
from api.http.body import answer, fault_of, large_body, read, too_large
from api.http.problems import Fault, InvalidError, RequestError
from api.http.resources import KNOWN_QUEUES, MAIL_SENDERS, RETRIES, SETTINGS, STORE, TEXTS
from api.http.turns import Turns
from api.messages import attached, idempotency
from api.messages.listing import encode_cursor, parse_page
from api.messages.schemas import (
    AttemptAnswer,
    AttemptList,
    BatchAnswer,
    BatchEntry,
    BatchRequest,
    Kept,
    MessageAnswer,
    MessageList,
    MessageRequest,
)
from api.messages.validation import sealed, to_message
from api.openapi import examples, failures, parameters, request_examples, tags
from api.openapi.operation import MAX_BYTES, Access, Answer, Body, Operations, operation
from api.quotas.door import keep, keep_batch, retrying, take_retries
from api.quotas.errors import OverQuotaError
from api.suppressions.door import refusal_to_retry, require_wanted, unwanted, with_link
from sql.messages import IdempotencyKey, MessageStore
from tidings.channels.installed import recipients
from tidings.domain.api_key import Scope
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
    Status.PENDING: "it waits for its first attempt",
}
_CHANGING: Final = "it changed meanwhile; read it again"
NO_MESSAGE: Final = "there is no such message"

_create: Final = Operations(
    tag=tags.MESSAGES,
    access=Access.MEMBERS,
    scope=Scope.SEND,
    parameters=(parameters.IDEMPOTENCY_KEY,),
    errors=failures.QUOTA,
)
of_message: Final = Operations(
    tag=tags.MESSAGES,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=(parameters.MESSAGE_ID,),
    errors={HTTPStatus.NOT_FOUND: NO_MESSAGE},
)
"""Declares a handler for one message that the path names."""

_CREATED: Final = {
    hdrs.LOCATION: "The path of the message.",
    idempotency.REPLAYED_HEADER: "`true` where an earlier request with the same key made it.",
}
_CREATED_BATCH: Final = {idempotency.REPLAYED_HEADER: _CREATED[idempotency.REPLAYED_HEADER]}


@_create(
    body=Body(_message_decoder, request_examples.MESSAGES),
    answers={HTTPStatus.CREATED: Answer("It is kept.", MessageAnswer, examples.MESSAGE, headers=_CREATED)},
)
async def create(request: web.Request) -> web.Response:
    """Keeps one message.

    Answered when it is committed; from then on it is delivered, or cancelled for a reason that it shows.
    """
    limit = request.app[SETTINGS].max_message_bytes
    async with large_body(request, max_bytes=limit):
        if (request.content_length or 0) > MAX_BYTES:
            wanted = await attached.decoded(await read(request, attached.ENCODED, max_bytes=limit))
        else:
            wanted = await read(request, _message_decoder, max_bytes=limit)
        return await _create_one(request, wanted)


async def _create_one(request: web.Request, wanted: MessageRequest) -> web.Response:
    if (request.content_length or 0) > MAX_BYTES and not recipients(wanted.channel).takes_mail_parts:
        raise too_large(MAX_BYTES)
    key = await idempotency.key_of(request, wanted)
    try:
        message = await _message(request, wanted)
        await require_wanted(request, message)
        if await keep(request, message, key):
            return _created(_shown(request, message))
    except (InvalidError, OverQuotaError):
        # What was right when it came first may be late by now, or too much; the first answer stands.
        if key is None or (replay := await _replay(request, key)) is None:
            raise
        return replay
    replay = await _replay(request, key) if key is not None else None
    if replay is None:
        raise StoreUnavailableError(idempotency.FORGOTTEN)
    return replay


@_create(
    body=Body(_batch_decoder, request_examples.BATCH),
    answers={HTTPStatus.CREATED: Answer("They are kept.", BatchAnswer, examples.BATCH, headers=_CREATED_BATCH)},
)
async def create_batch(request: web.Request) -> web.Response:
    """Keeps many messages in one commit.

    They come in one commit. Where one is wrong none is kept, and `errors` names what is wrong with each. Where the
    idempotency keys of a part of the batch are known and the others are not (any more), `messages` says of each whether
    this request created it, an earlier one did (`replayed`), or it is not kept.
    """
    batch = await read(request, _batch_decoder)
    keys = idempotency.batch_keys_of(request, batch)
    try:
        messages = await _messages(request, batch)
        kept = await keep_batch(request, messages, keys)
    except (InvalidError, OverQuotaError):
        # As with a single message: the first answer stands.
        known = await idempotency.known_keys(_store(request), keys, principal(request).user_id) if keys else {}
        if keys is None or not known:
            raise
        return _created_batch(idempotency.batch_entries(keys, known, {}))
    if keys is None or len(kept) == len(messages):
        return _created_batch([BatchEntry(status=Kept.CREATED, id=message.id) for message in messages])
    created = {key.key: message.id for key, message in zip(keys, messages, strict=True) if message.id in kept}
    known = await idempotency.known_keys(_store(request), keys, principal(request).user_id)
    return _created_batch(idempotency.batch_entries(keys, known, created))


@operation(
    tags.MESSAGES,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=(*parameters.MESSAGE_FILTER, *parameters.PAGE),
    answers=Answer("A page.", MessageList, examples.MESSAGES),
)
async def list_page(request: web.Request) -> web.Response:
    """Lists messages, newest first.

    Users see their own, admins all. A page has up to 4 MiB of contents and headers, and is found among some thousand
    messages: it may be short, or even empty, and not be the last one. `next_cursor` goes on behind it.
    """
    page = parse_page(request.query, principal(request).reach)
    found = await _store(request).page(page.filter, before=page.before, limit=page.limit)
    next_cursor = None if found.resume is None else encode_cursor(found.resume)
    return answer(
        MessageList(messages=[_shown(request, message) for message in found.messages], next_cursor=next_cursor)
    )


@of_message(answers=Answer("The message.", MessageAnswer, examples.MESSAGE))
async def get(request: web.Request) -> web.Response:
    """Shows one message."""
    message = await find(request)
    mail = await _store(request).mail(message)
    return answer(_shown(request, message if mail is None else msgspec.structs.replace(message, mail=mail)))


@of_message(answers=Answer("The attempts.", AttemptList, examples.ATTEMPTS))
async def attempts(request: web.Request) -> web.Response:
    """Lists the attempts of one message, oldest first."""
    made = await _store(request).attempts(await find(request))
    return answer(AttemptList(attempts=[AttemptAnswer.of(attempt) for attempt in made]))


@of_message(
    scope=Scope.MANAGE,
    answers=Answer("It is cancelled.", MessageAnswer, examples.CANCELLED),
    errors={HTTPStatus.CONFLICT: _NOT_CANCELLED[Status.SENT]},
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
    return answer(_shown(request, message))


@of_message(
    scope=Scope.MANAGE,
    answers=Answer("It is due now.", MessageAnswer, examples.MESSAGE),
    errors={HTTPStatus.CONFLICT: _NOT_RETRIED[Status.PENDING], **failures.QUOTA},
)
async def retry(request: web.Request) -> web.Response:
    """Starts a cancelled message again, or makes a failed one due now."""
    message = await find(request)
    with retrying(await take_retries(request, 1), 1) as counted:
        retried = await _store(request).retry(message.id)
        counted.count = 0 if retried is None else 1
    if retried is None:
        message = await find(request)
        refused = await refusal_to_retry(request, message) or _NOT_RETRIED.get(message.status, _CHANGING)
        raise RequestError(HTTPStatus.CONFLICT, refused)
    return answer(_shown(request, retried))


async def _message(request: web.Request, wanted: MessageRequest) -> NewMessage:
    message = to_message(
        wanted,
        queues=await request.app[KNOWN_QUEUES].among((wanted.queue,)),
        retries=request.app[RETRIES],
        principal=principal(request),
        mail_faults=await request.app[MAIL_SENDERS].faults(wanted, principal(request)),
        text=await request.app[TEXTS].of(wanted, principal(request)),
    )
    return sealed(with_link(message, wanted.unsubscribe, request.app[SETTINGS]), request.app[SETTINGS])


async def _messages(request: web.Request, batch: BatchRequest) -> list[NewMessage]:
    """The messages of a batch. Raises InvalidError with the faults of each bad one."""
    wanted: dict[int, MessageRequest] = {}
    faults: list[Fault] = []
    turns = Turns()
    for index, raw in enumerate(batch.messages):
        await turns.pass_on()
        try:
            wanted[index] = _message_decoder.decode(raw)
        except msgspec.ValidationError as error:
            faults.append(fault_of(error, index=index))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            faults.append(Fault(index=index, detail="is not JSON"))
    # Unknown queues of the whole batch cost one query.
    await request.app[KNOWN_QUEUES].among({each.queue for each in wanted.values()})
    messages: dict[int | None, NewMessage] = {}
    for index, each in wanted.items():
        await turns.pass_on()
        try:
            messages[index] = await _message(request, each)
        except InvalidError as error:
            faults += [msgspec.structs.replace(fault, index=index) for fault in error.errors]
    faults += await unwanted(request, messages)
    if faults:
        raise InvalidError(sorted(faults, key=lambda fault: fault.index or 0))
    return list(messages.values())


async def _replay(request: web.Request, key: IdempotencyKey) -> web.Response | None:
    message = await idempotency.earlier_message(_store(request), key, principal(request).user_id)
    return (
        None
        if message is None or not principal(request).may_see_message(message)
        else _created(_shown(request, message), replayed=True)
    )


def _created_batch(entries: Sequence[BatchEntry]) -> web.Response:
    replayed = all(entry.status is Kept.REPLAYED for entry in entries)
    return answer(
        BatchAnswer.of(entries),
        status=HTTPStatus.CREATED,
        headers={idempotency.REPLAYED_HEADER: "true"} if replayed else None,
    )


def _created(message: MessageAnswer, *, replayed: bool = False) -> web.Response:
    headers: dict[str, str] = {hdrs.LOCATION: f"/api/v1/messages/{message.id}"}
    if replayed:
        headers[idempotency.REPLAYED_HEADER] = "true"
    return answer(message, status=HTTPStatus.CREATED, headers=headers)


def _shown(request: web.Request, message: Message | NewMessage) -> MessageAnswer:
    return MessageAnswer.of(message, request.app[RETRIES])


async def find(request: web.Request) -> Message:
    """The message that the path names. Raises RequestError where there is none to show."""
    message_id = parse_id(request.match_info["id"])
    message = None if message_id is None else await _store(request).get(message_id)
    if message is None or not principal(request).may_see_message(message):
        raise RequestError(HTTPStatus.NOT_FOUND, NO_MESSAGE)
    return message


def _store(request: web.Request) -> MessageStore:
    return request.app[STORE].messages
