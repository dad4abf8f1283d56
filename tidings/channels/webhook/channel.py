"""Webhooks: the content POSTed as it is to the recipient's URL, by the Standard Webhooks specification.

May deliver a message twice, if its consumer was killed during an attempt or an attempt got no response:
`tidings-possible-duplicate` marks those. Every attempt has the same `webhook-id`, by which the receiver can drop what
it has seen; `tidings-attempt` counts them.

Everybody's webhooks are signed with a secret of their own, never with another's: a receiver that knows the operator's
secret verifies what the operator sent. Who has made none signs with one that is derived of `SECRET_KEYS`. For a day
after a secret was replaced, the old one signs too: `webhook-signature` holds both, and a receiver that knows either can
verify. What nothing can sign waits, unless `WEBHOOK_UNSIGNED` lets it go as it is.

A message of an event goes to an endpoint, by what that is at the moment: its URL, its secret, headers, credentials and
client certificate. Its `webhook-id` is the id of the event.
"""

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from yarl import URL

from tidings.channels.base import About, Channel, ChannelContext, Rejected, Result, Retry
from tidings.channels.http.judgement import about, judge
from tidings.channels.http.transport import ForbiddenError, Transport, TransportError
from tidings.channels.webhook.headers import passed_on
from tidings.channels.webhook.recipient import WebhookRecipients
from tidings.domain.account import Sealed, Sender
from tidings.domain.addresses import is_loopback
from tidings.domain.endpoint import Endpoint, Private
from tidings.domain.errors import StoreUnavailableError, UnsealError
from tidings.domain.headers import HeaderError
from tidings.domain.message import Delivery
from tidings.domain.secrets import signing_key
from tidings.security.client_certificate import ClientCertificate
from tidings.security.secretbox import Purpose, SecretBox
from tidings.security.signing import signature
from tidings.security.webhook_keys import derived_secret
from tidings.settings import Settings

REPEATED: Final = {"tidings-possible-duplicate": "true"}

_ANY_JSON: Final = msgspec.json.Decoder(msgspec.Raw)


class Way(msgspec.Struct, frozen=True):
    """What a request takes along besides the message's own."""

    keys: Sequence[bytes]
    headers: dict[str, str] = {}
    certificate: ClientCertificate | None = None


class WebhookChannel(Channel):
    """Any 2xx is a delivery, 410 ends the message and disables the endpoint, and anything else is tried again: a
    receiver that answers 404 or 401 may be in the middle of a deploy. Signed by its user's own secret, the operator's
    messages by `WEBHOOK_SIGNING_SECRET`."""

    recipients = WebhookRecipients()

    def __init__(self, context: ChannelContext) -> None:
        super().__init__(context)
        settings = context.settings
        # Derived of each key, for the time in which SECRET_KEYS are exchanged.
        secrets = [settings.webhook_signing_secret] if settings.webhook_signing_secret else _derived(settings, None)
        self._operators_keys = [signing_key(secret) for secret in secrets]
        self._box = SecretBox(settings.secret_keys)

    def destination(self, delivery: Delivery) -> str:
        return self.recipients.destination(self._now_to(delivery), None)

    def per_second(self, delivery: Delivery) -> int | None:
        endpoint = None if delivery.endpoint_id is None else self.context.endpoints.known(delivery.endpoint_id)
        return None if endpoint is None else endpoint.rate_limit

    async def deliver(self, delivery: Delivery) -> Result:
        body = delivery.content.encode()
        try:
            if delivery.endpoint_id is not None:
                way = await self._way_to(delivery.endpoint_id)
                delivery = self._now_to(delivery)
            else:
                way = Way(await self._keys(delivery))
            headers = self._headers(delivery, body, way)
        except HeaderError as error:
            return Rejected(error=f"headers: {error}")
        except (UnsealError, StoreUnavailableError) as error:
            return Retry(error=str(error), about=About.OURSELVES)
        if delivery.event_id is not None and not body:
            return Rejected(error="its event is not kept any more", about=About.MESSAGE)
        try:
            answer = await self._transport(delivery).post(
                delivery.recipient, body=body, headers=headers, when_repeated=REPEATED, certificate=way.certificate
            )
        except ForbiddenError as error:
            # For good: retries would let a user watch where an internal name leads.
            return Rejected(error=str(error))
        except TransportError as error:
            return Retry(error=str(error), unanswered=error.unanswered, about=about(error))
        result = judge(answer, self.context.now, rejects=_is_gone)
        return msgspec.structs.replace(result, holds=True) if isinstance(result, Rejected) else result

    def _now_to(self, delivery: Delivery) -> Delivery:
        """The delivery, to the URL that its endpoint has by now."""
        endpoint = None if delivery.endpoint_id is None else self.context.endpoints.known(delivery.endpoint_id)
        if endpoint is None or endpoint.url == delivery.recipient:
            return delivery
        return msgspec.structs.replace(delivery, recipient=endpoint.url)

    async def _way_to(self, endpoint_id: UUID) -> "Way":
        """Raises UnsealError, StoreUnavailableError."""
        endpoint = await self.context.endpoints.get(endpoint_id)
        if endpoint is None:
            raise StoreUnavailableError("its endpoint is not there")
        keys = self._valid(endpoint, endpoint.secret)
        if endpoint.sealed is None:
            return Way(keys)
        text = self._box.unseal(endpoint.sealed, Purpose.ENDPOINT, endpoint.id)
        private = msgspec.json.decode(text, type=Private)
        headers = dict(private.headers)
        if private.credentials is not None:
            headers["authorization"] = private.credentials.authorization
        certificate = None
        if private.chain is not None and private.key is not None:
            certificate = ClientCertificate(private.chain, private.key)
        return Way(keys, headers, certificate)

    def _transport(self, delivery: Delivery) -> Transport:
        if delivery.user_id is None and self.context.settings.loopback_only and _is_here(delivery.recipient):
            return self.context.loopback_transport or self.context.transport
        plain = None if delivery.recipient.startswith("https:") else self.context.plain_transport
        return plain or self.context.transport

    async def _keys(self, delivery: Delivery) -> Sequence[bytes]:
        """The keys that sign now, the newest first. Raises UnsealError, StoreUnavailableError."""
        keys = self._operators_keys if delivery.user_id is None else await self._keys_of(delivery.user_id)
        if not keys and not self.context.settings.webhook_unsigned:
            raise UnsealError("nothing signs this webhook: set SECRET_KEYS, or WEBHOOK_UNSIGNED")
        return keys

    async def _keys_of(self, user_id: UUID) -> Sequence[bytes]:
        sender = await self.context.senders.get(user_id)
        if sender is None or sender.secret is None:
            # Of the newest key alone: nobody knows it, so nobody misses the one before.
            return [signing_key(secret) for secret in _derived(self.context.settings, user_id)[:1]]
        return self._valid(sender, sender.secret)

    def _valid(self, owner: Sender | Endpoint, secret: Sealed) -> Sequence[bytes]:
        """The keys of an owner that sign now, the newest first. Raises UnsealError."""
        noun = "endpoint" if isinstance(owner, Endpoint) else "user"
        keys = [self._key(secret, owner.id, noun)]
        before = owner.previous_secret
        if before is not None and owner.previous_until is not None and self.context.now() < owner.previous_until:
            keys.append(self._key(before, owner.id, noun))
        return keys

    def _key(self, secret: Sealed, owner: UUID, noun: str) -> bytes:
        try:
            return signing_key(self._box.unseal(secret, Purpose.WEBHOOK_SECRET, owner))
        except ValueError as error:
            raise UnsealError(f"the {noun}'s signing secret {error}") from None

    def _headers(self, delivery: Delivery, body: bytes, way: "Way") -> dict[str, str]:
        headers = passed_on(delivery.headers) if delivery.headers else {}
        headers |= passed_on(way.headers)
        if "content-type" not in headers:
            headers["content-type"] = _content_type(body)
        # An event has one id, whatever becomes of its messages: a receiver that has seen it can tell.
        message_id = headers["webhook-id"] = str(delivery.event_id or delivery.id)
        timestamp = headers["webhook-timestamp"] = str(int(self.context.now().timestamp()))
        if way.keys:
            headers["webhook-signature"] = " ".join(
                signature(key, message_id=message_id, timestamp=timestamp, body=body) for key in way.keys
            )
        headers["tidings-attempt"] = str(delivery.tries + 1)
        if delivery.possible_duplicate:
            headers |= REPEATED
        return headers


def _derived(settings: Settings, owner: UUID | None) -> list[str]:
    return [derived_secret(key, owner) for key in settings.secret_keys]


@lru_cache(maxsize=4096)
def _is_here(url: str) -> bool:
    return is_loopback((URL(url, encoded=True).raw_host or "").rstrip("."))


def _is_gone(status: int) -> bool:
    return status == HTTPStatus.GONE


def _content_type(body: bytes) -> str:
    try:
        _ANY_JSON.decode(body)
    except msgspec.DecodeError:
        return "text/plain; charset=utf-8"
    return "application/json"
