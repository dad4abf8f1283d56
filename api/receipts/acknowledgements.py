"""Acknowledgements: a receiver of webhooks says later what became of one that it took.

It signs as tidings does, with the secret that the webhook was signed with (Standard Webhooks), but for the id
`ack.<webhook-id>`: so nobody can hand a webhook itself back as its acknowledgement. One that comes again changes
nothing, so its time is not compared with the clock.
"""

from collections.abc import Mapping, Sequence
from functools import partial
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
from sql.receipts import NewReceipt, Webhook
from tidings.domain.account import Sealed, Sender
from tidings.domain.endpoint import Endpoint
from tidings.domain.errors import StoreUnavailableError, UnsealError
from tidings.domain.ids import parse_id
from tidings.domain.secrets import signing_key
from tidings.domain.states import Receipt
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import Purpose, SecretBox
from tidings.security.signing import signature
from tidings.security.webhook_keys import derived_secret
from tidings.settings import Settings

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
    webhook_id = parse_id(request.match_info["webhook_id"])
    if webhook_id is None or not offered or len(offered) > MAX_SIGNATURES or not timestamp.isdecimal():
        raise RequestError(HTTPStatus.NOT_FOUND, _NOT_KNOWN)
    body = await read_whole(request, limit=MAX_ACKNOWLEDGEMENT)
    webhooks = await request.app[STORE].receipts.webhooks(webhook_id)
    given = [each.encode("utf-8", "surrogateescape") for each in offered.split()[:MAX_OFFERED]]
    signed = partial(signature, message_id=f"ack.{webhook_id}", timestamp=timestamp, body=body)
    try:
        keys = await _keys(request, webhooks)
    except UnsealError as error:
        raise StoreUnavailableError(str(error)) from None
    found = [
        webhook
        for webhook in webhooks
        if any(compare_digest(each, signed(key).encode()) for each in given for key in keys[webhook.id])
    ]
    if not found:
        request.app[METRICS].receipts[WEBHOOK, "refused"].inc()
        raise RequestError(HTTPStatus.NOT_FOUND, _NOT_KNOWN)
    said = decoded(body, _decoder)
    receipt = Receipt.DELIVERED if said.status == "processed" else Receipt.UNDELIVERED
    detail = " ".join("".join(letter if letter.isprintable() else " " for letter in said.detail).split()) or None
    new = [NewReceipt(message_id=webhook.id, receipt=receipt, detail=detail) for webhook in found]
    await keep(request, WEBHOOK, new)
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def _keys(request: web.Request, webhooks: Sequence[Webhook]) -> Mapping[UUID, Sequence[bytes]]:
    """The keys that sign each webhook, or did a short while ago. Raises UnsealError."""
    store, box = request.app[STORE], SecretBox(request.app[SETTINGS].secret_keys)
    endpoints = await store.endpoints.among([each.endpoint_id for each in webhooks if each.endpoint_id is not None])
    users = {each.user_id for each in webhooks if each.endpoint_id is None and each.user_id is not None}
    senders = await store.users.senders(list(users)) if users else {}
    keys: dict[UUID, Sequence[bytes]] = {}
    for webhook in webhooks:
        if webhook.endpoint_id is not None:
            endpoint = endpoints.get(webhook.endpoint_id)
            keys[webhook.id] = [] if endpoint is None else _valid(box, endpoint, endpoint.secret)
            continue
        sender = None if webhook.user_id is None else senders.get(webhook.user_id)
        if sender is None or sender.secret is None:
            keys[webhook.id] = _derived(request.app[SETTINGS], webhook.user_id)
        else:
            keys[webhook.id] = _valid(box, sender, sender.secret)
    return keys


def _derived(settings: Settings, user_id: UUID | None) -> Sequence[bytes]:
    """Of those who have made no secret."""
    if user_id is None and settings.webhook_signing_secret:
        return [signing_key(settings.webhook_signing_secret)]
    return [signing_key(derived_secret(key, user_id)) for key in settings.secret_keys]


def _valid(box: SecretBox, owner: Sender | Endpoint, secret: Sealed) -> Sequence[bytes]:
    keys = [_opened(box, secret, owner.id)]
    if owner.previous_secret is not None and owner.previous_until is not None and utc_now() < owner.previous_until:
        keys.append(_opened(box, owner.previous_secret, owner.id))
    return keys


def _opened(box: SecretBox, secret: Sealed, owner: UUID) -> bytes:
    try:
        return signing_key(box.unseal(secret, Purpose.WEBHOOK_SECRET, owner))
    except ValueError as error:
        raise UnsealError(f"the signing secret {error}") from None


ROUTES: Final = (web.post("/receipts/webhooks/{webhook_id}", acknowledge),)
