"""Acknowledgements: a receiver of webhooks says later what became of one that it took.

It signs as tidings does, with the secret that the webhook was signed with (Standard Webhooks), but for the id
`ack.<webhook-id>`: so nobody can hand a webhook itself back as its acknowledgement. One that comes again changes
nothing, so its time is not compared with the clock.
"""

from collections.abc import Sequence
from hmac import compare_digest
from http import HTTPStatus
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from api.http.body import decoded
from api.http.problems import RequestError
from api.http.resources import METRICS, SETTINGS, STORE
from api.openapi.operation import Access, page
from api.receipts.commits import keep
from api.receipts.reading import read_whole
from sql.receipts import NewReceipt
from tidings.domain.account import Sealed
from tidings.domain.errors import StoreUnavailableError, UnsealError
from tidings.domain.ids import parse_id
from tidings.domain.message import Message
from tidings.domain.secrets import signing_key
from tidings.domain.states import Receipt
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import Purpose, SecretBox
from tidings.security.signing import signature
from tidings.security.webhook_keys import derived_secret

MAX_ACKNOWLEDGEMENT: Final = 16 * 1024
MAX_OFFERED: Final = 10
"""Signatures of one request: several while a secret is exchanged."""
MAX_SIGNATURES: Final = 1024
"""Characters of them all."""
WEBHOOK: Final = "webhook"

_NOT_KNOWN: Final = "there is no webhook of this id that is signed with this secret"


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of a webhook at its receiver."""

    status: Literal["processed", "failed"]
    detail: Annotated[str, Meta(max_length=300)] = ""


_decoder: Final = msgspec.json.Decoder(Acknowledgement)


@page(access=Access.EVERYBODY)
async def acknowledge(request: web.Request) -> web.Response:
    """Keeps what a receiver says of a webhook: processed, or failed. Answered once it is stored."""
    offered = request.headers.get("webhook-signature", "")
    timestamp = request.headers.get("webhook-timestamp", "")
    message_id = parse_id(request.match_info["webhook_id"])
    if message_id is None or not offered or len(offered) > MAX_SIGNATURES or not timestamp.isdecimal():
        raise RequestError(HTTPStatus.NOT_FOUND, _NOT_KNOWN)
    body = await read_whole(request, limit=MAX_ACKNOWLEDGEMENT)
    message = await request.app[STORE].messages.get(message_id)
    if message is None or message.channel != WEBHOOK:
        raise RequestError(HTTPStatus.NOT_FOUND, _NOT_KNOWN)
    try:
        keys = await _keys(request, message)
    except UnsealError as error:
        raise StoreUnavailableError(str(error)) from None
    signed = f"ack.{message_id}"
    expected = [signature(key, message_id=signed, timestamp=timestamp, body=body).encode() for key in keys]
    given = offered.split()[:MAX_OFFERED]
    if not any(compare_digest(one.encode("utf-8", "surrogateescape"), each) for one in given for each in expected):
        request.app[METRICS].receipts[WEBHOOK, "refused"].inc()
        raise RequestError(HTTPStatus.NOT_FOUND, _NOT_KNOWN)
    said = decoded(body, _decoder)
    receipt = Receipt.DELIVERED if said.status == "processed" else Receipt.UNDELIVERED
    detail = " ".join("".join(letter if letter.isprintable() else " " for letter in said.detail).split()) or None
    await keep(request, WEBHOOK, [NewReceipt(message_id=message.id, receipt=receipt, detail=detail)])
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def _keys(request: web.Request, message: Message) -> Sequence[bytes]:
    """The keys that sign webhooks of the message's user, or did a short while ago. Raises UnsealError."""
    settings, box = request.app[SETTINGS], SecretBox(request.app[SETTINGS].secret_keys)
    if message.user_id is None and settings.webhook_signing_secret:
        return [signing_key(settings.webhook_signing_secret)]
    derived = [signing_key(derived_secret(key, message.user_id)) for key in settings.secret_keys]
    if message.user_id is None:
        return derived
    sender = (await request.app[STORE].users.senders([message.user_id])).get(message.user_id)
    if sender is None or sender.secret is None:
        return derived
    keys = [_opened(box, sender.secret, sender.id)]
    if sender.previous_secret is not None and sender.previous_until is not None and utc_now() < sender.previous_until:
        keys.append(_opened(box, sender.previous_secret, sender.id))
    return keys


def _opened(box: SecretBox, secret: Sealed, owner: UUID) -> bytes:
    try:
        return signing_key(box.unseal(secret, Purpose.WEBHOOK_SECRET, owner))
    except ValueError as error:
        raise UnsealError(f"the signing secret {error}") from None


ROUTES: Final = (web.post("/receipts/webhooks/{webhook_id}", acknowledge),)
