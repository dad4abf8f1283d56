"""Webhooks: the content POSTed as it is to the recipient's URL, by the Standard Webhooks specification.

May deliver a message twice, if its consumer was killed during an attempt or an attempt got no response:
`tidings-possible-duplicate` marks those. Every attempt has the same `webhook-id`, by which the receiver can drop what
it has seen; `tidings-attempt` counts them.

Everybody's webhooks are signed with a secret of their own, never with another's: a receiver that knows the operator's
secret verifies what the operator sent. Who has made none signs with one that is derived of `SECRET_KEYS`. For a day
after a secret was replaced, the old one signs too: `webhook-signature` holds both, and a receiver that knows either can
verify. What nothing can sign waits, unless `WEBHOOK_UNSIGNED` lets it go as it is.
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
from tidings.channels.webhook.recipient import WebhookRecipients
from tidings.domain.account import Sealed
from tidings.domain.addresses import is_loopback
from tidings.domain.errors import StoreUnavailableError, UnsealError
from tidings.domain.headers import HeaderError, check_headers
from tidings.domain.message import Delivery
from tidings.domain.secrets import signing_key
from tidings.security.secretbox import Purpose, SecretBox
from tidings.security.signing import signature
from tidings.security.webhook_keys import derived_secret
from tidings.settings import Settings

OWN_PREFIXES: Final = ("webhook-", "tidings-")

REPEATED: Final = {"tidings-possible-duplicate": "true"}

NOT_PASSED_ON: Final = frozenset(
    {
        "host",
        "content-length",
        "accept-encoding",
        "expect",
        # Hop-by-hop: they describe a connection, not a message (RFC 9110, section 7.6.1).
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of a message that are not sent, in lower case, besides those that begin with one of OWN_PREFIXES."""

_ANY_JSON: Final = msgspec.json.Decoder(msgspec.Raw)


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

    async def deliver(self, delivery: Delivery) -> Result:
        body = delivery.content.encode()
        try:
            headers = self._headers(delivery, body, await self._keys(delivery))
        except HeaderError as error:
            return Rejected(error=f"headers: {error}")
        except (UnsealError, StoreUnavailableError) as error:
            return Retry(error=str(error), about=About.OURSELVES)
        try:
            answer = await self._transport(delivery).post(
                delivery.recipient, body=body, headers=headers, when_repeated=REPEATED
            )
        except ForbiddenError as error:
            # For good: retries would let a user watch where an internal name leads.
            return Rejected(error=str(error))
        except TransportError as error:
            return Retry(error=str(error), unanswered=error.unanswered, about=about(error))
        result = judge(answer, self.context.now, rejects=_is_gone)
        return msgspec.structs.replace(result, holds=True) if isinstance(result, Rejected) else result

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
        keys = [self._key(sender.secret, sender.id)]
        before = sender.previous_secret
        if before is not None and sender.previous_until is not None and self.context.now() < sender.previous_until:
            keys.append(self._key(before, sender.id))
        return keys

    def _key(self, secret: Sealed, owner: UUID) -> bytes:
        try:
            return signing_key(self._box.unseal(secret, Purpose.WEBHOOK_SECRET, owner))
        except ValueError as error:
            raise UnsealError(f"the user's signing secret {error}") from None

    def _headers(self, delivery: Delivery, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
        headers = _passed_on(delivery.headers) if delivery.headers else {}
        if "content-type" not in headers:
            headers["content-type"] = _content_type(body)
        message_id = headers["webhook-id"] = str(delivery.id)
        timestamp = headers["webhook-timestamp"] = str(int(self.context.now().timestamp()))
        if keys:
            headers["webhook-signature"] = " ".join(
                signature(key, message_id=message_id, timestamp=timestamp, body=body) for key in keys
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


def _passed_on(headers: dict[str, str]) -> dict[str, str]:
    check_headers(headers)
    lower = {name.lower(): value for name, value in headers.items()}
    kept_back = NOT_PASSED_ON.union(name.strip().lower() for name in lower.get("connection", "").split(","))
    return {name: value for name, value in lower.items() if name not in kept_back and not name.startswith(OWN_PREFIXES)}


def _content_type(body: bytes) -> str:
    try:
        _ANY_JSON.decode(body)
    except msgspec.DecodeError:
        return "text/plain; charset=utf-8"
    return "application/json"
