"""`Idempotency-Key`: the same key with the same request is the same message.

As in the IETF draft draft-ietf-httpapi-idempotency-key-header.

The key is kept in the same commit as its message, so neither is ever there without the other. A batch has one key; each
of its messages is kept under a part of it, so that all of them are known or none is.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.http.problems import Fault, InvalidError
from api.messages.schemas import BatchEntry, BatchRequest, Kept, MessageRequest
from api.openapi.operation import MAX_BYTES
from sql.messages import IdempotencyKey, KnownKey, MessageStore
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.message import Message

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
FORGOTTEN: Final = "the idempotency key has just been forgotten"
_ANOTHER: Final = "was used for another request"

_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,255}")
_canonical: Final = msgspec.json.Encoder(order="deterministic")


async def key_of(request: web.Request, message: MessageRequest) -> IdempotencyKey | None:
    """The client's key, with a fingerprint of what it asks for; None where it sent none. Raises InvalidError."""
    key = _sent_key(request)
    if key is None:
        return None
    if (request.content_length or 0) <= MAX_BYTES:
        return IdempotencyKey(key, _fingerprint(message))
    # 20 MB take 70 ms.
    return IdempotencyKey(key, await asyncio.to_thread(_fingerprint, message))


def _fingerprint(message: MessageRequest) -> bytes:
    return sha256(_canonical.encode(message)).digest()


def batch_keys_of(request: web.Request, batch: BatchRequest) -> Sequence[IdempotencyKey] | None:
    """A key for each message of a batch, or None where the client sent none. Raises InvalidError.

    The space keeps them apart from the keys of single messages, and the number of messages in each of them sees to it
    that of another, longer request under the same key no part is new. The fingerprint is of the batch as it was sent,
    letter for letter.
    """
    key = _sent_key(request)
    if key is None:
        return None
    fingerprint = sha256(b",".join(map(bytes, batch.messages))).digest()
    count = len(batch.messages)
    return [IdempotencyKey(f"{key} {index}/{count}", fingerprint) for index in range(count)]


async def earlier_message(store: MessageStore, key: IdempotencyKey, user_id: UUID | None) -> Message | None:
    """The message that the key's first request stored; None for a new key.

    Raises InvalidError where that was another request.
    """
    known = (await known_keys(store, [key], user_id)).get(key.key)
    if known is not None and known.fingerprint != key.fingerprint:
        raise InvalidError([Fault(field=HEADER, detail=_ANOTHER)])
    return None if known is None else await store.get(known.message_id)


async def known_keys(
    store: MessageStore, keys: Sequence[IdempotencyKey], user_id: UUID | None
) -> Mapping[str, KnownKey]:
    """Which of the keys the user's earlier requests used."""
    return {each.key: each for each in await store.known_keys(user_id, [key.key for key in keys])}


def batch_entries(
    keys: Sequence[IdempotencyKey], known: Mapping[str, KnownKey], created: Mapping[str, UUID]
) -> list[BatchEntry]:
    """What became of each message of a batch; `created` are the ids of those that this request kept, by key.

    Keys are forgotten by age, and a batch may be cut in two by that: then a part of it is known and the rest is not.
    Where this request kept nothing it is all or none: raises InvalidError where the keys are another batch's,
    StoreUnavailableError where they were forgotten just now.
    """
    entries = [_entry(key, known.get(key.key), created.get(key.key)) for key in keys]
    if not created and any(entry.status is Kept.NOT_KEPT for entry in entries):
        if len(known) < len(keys):
            raise StoreUnavailableError(FORGOTTEN)
        raise InvalidError([Fault(field=HEADER, detail=_ANOTHER)])
    return entries


def _entry(key: IdempotencyKey, earlier: KnownKey | None, created: UUID | None) -> BatchEntry:
    if created is not None:
        return BatchEntry(status=Kept.CREATED, id=created)
    if earlier is None:
        return BatchEntry(status=Kept.NOT_KEPT, detail=FORGOTTEN)
    if earlier.fingerprint != key.fingerprint:
        return BatchEntry(status=Kept.NOT_KEPT, detail=f"{HEADER} {_ANOTHER}")
    return BatchEntry(status=Kept.REPLAYED, id=earlier.message_id)


def _sent_key(request: web.Request) -> str | None:
    key = request.headers.get(HEADER)
    if key is not None and not _VISIBLE.fullmatch(key):
        raise InvalidError([Fault(field=HEADER, detail="must be 1 to 255 visible ASCII characters")])
    return key
