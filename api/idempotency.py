"""`Idempotency-Key`: the same key with the same request is the same message.

As in the IETF draft draft-ietf-httpapi-idempotency-key-header.

The key is kept in the same commit as its message, so neither is ever there without the other.
"""

import re
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.problems import Fault, InvalidError
from api.schemas import MessageRequest
from sql.messages import IdempotencyKey, MessageStore
from tidings.model import Message

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"

_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,255}")
_canonical: Final = msgspec.json.Encoder(order="deterministic")


def key_of(request: web.Request, message: MessageRequest) -> IdempotencyKey | None:
    """The client's key, with a fingerprint of what it asks for; None where it sent none. Raises InvalidError."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _VISIBLE.fullmatch(key):
        raise InvalidError([Fault(field=HEADER, detail="must be 1 to 255 visible ASCII characters")])
    return IdempotencyKey(key, sha256(_canonical.encode(message)).digest())


def refuse_key(request: web.Request) -> None:
    """For requests that keep no key: better refused than taken for a promise. Raises InvalidError."""
    if HEADER in request.headers:
        raise InvalidError([Fault(field=HEADER, detail="is known for single messages only")])


async def earlier_message(store: MessageStore, key: IdempotencyKey, user_id: UUID | None) -> Message | None:
    """The message that the key's first request stored; None for a new key.

    Raises InvalidError where that was another request.
    """
    for known in await store.known_keys([key.key]):
        if known.user_id == user_id:
            if known.fingerprint != key.fingerprint:
                raise InvalidError([Fault(field=HEADER, detail="was used for another request")])
            return await store.get(known.message_id)
    return None
