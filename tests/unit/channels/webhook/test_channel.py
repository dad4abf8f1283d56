"""tidings/channels/webhook/channel.py"""

from base64 import b64encode
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook, WebhookVerificationError

from tests.unit.channels.doubles import MESSAGE_ID, NOW, ScriptedTransport, answer, context, delivery
from tidings.channels.base import About, Accepted, ChannelContext, Rejected, Retry
from tidings.channels.http.judgement import describe
from tidings.channels.http.transport import ForbiddenError, TransportError
from tidings.channels.webhook.channel import WebhookChannel
from tidings.domain.account import Sealed, Sender
from tidings.domain.message import Delivery
from tidings.domain.secrets import signing_key
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.security.signing import signature
from tidings.security.webhook_keys import derived_secret
from tidings.settings import Settings

URL = "https://receiver.example:8443/hook?token=1"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OWN = "whsec_" + b64encode(b"own" * 8).decode()
BEFORE = "whsec_" + b64encode(b"old" * 8).decode()
USER = UUID(int=7)
KEY = new_key()


def sealed(secret: str) -> Sealed:
    return SecretBox([KEY]).seal(secret, Purpose.WEBHOOK_SECRET, USER)


class OneSender:
    """Knows one user."""

    def __init__(self, sender: Sender | None) -> None:
        self.sender = sender

    def known(self, user_id: UUID) -> Sender | None:
        return self.sender

    async def get(self, user_id: UUID) -> Sender | None:
        assert user_id == USER
        return self.sender


def webhook(
    *, content: str = "{}", headers: dict[str, str] | None = None, tries: int = 0, recoveries: int = 0
) -> Delivery:
    return delivery(
        channel="webhook", recipient=URL, content=content, headers=headers, tries=tries, recoveries=recoveries
    )


async def sent_headers(message: Delivery) -> dict[str, str]:
    channel_context, transport = context(answer(200))
    await WebhookChannel(channel_context).deliver(message)
    return dict(transport.requests[0].headers)


async def test_the_content_goes_out_as_it_is() -> None:
    channel_context, transport = context(answer(204))
    content = '{ "b": 1,\n "a": "Grüße" }'
    assert await WebhookChannel(channel_context).deliver(webhook(content=content)) == Accepted(status_code=204)
    [request] = transport.requests
    assert request.url == URL
    assert request.body == content.encode()
    assert request.headers == {
        "content-type": "application/json",
        "webhook-id": str(MESSAGE_ID),
        "webhook-timestamp": str(int(NOW.timestamp())),
        "tidings-attempt": "1",
    }


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        ('{"a":1}', "application/json"),
        ("[1, 2]", "application/json"),
        ("null", "application/json"),
        ("", "text/plain; charset=utf-8"),
        ("hello", "text/plain; charset=utf-8"),
        ('{"a":1} and more', "text/plain; charset=utf-8"),
    ],
)
async def test_the_content_type_follows_the_content(content: str, content_type: str) -> None:
    assert (await sent_headers(webhook(content=content)))["content-type"] == content_type


async def test_the_content_type_of_the_message_wins() -> None:
    headers = await sent_headers(webhook(headers={"Content-Type": "application/cloudevents+json"}))
    assert headers["content-type"] == "application/cloudevents+json"


async def test_headers_of_the_message_are_passed_on_but_not_those_of_the_connection() -> None:
    headers = await sent_headers(
        webhook(
            headers={
                "X-Tenant": "7",
                "Authorization": "Bearer x",
                "Host": "evil.example",
                "Content-Length": "5",
                "Transfer-Encoding": "chunked",
                "Connection": "close, X-Private",
                "X-Private": "1",
                "Expect": "100-continue",
                "Webhook-Id": "mine",
                "webhook-signature": "v1,forged",
                "Tidings-Attempt": "9",
            }
        )
    )
    assert headers.pop("webhook-id") == str(MESSAGE_ID)
    assert headers.pop("tidings-attempt") == "1"
    assert headers.keys() - {"content-type", "webhook-timestamp"} == {"x-tenant", "authorization"}


async def test_a_header_that_http_cannot_carry_is_final() -> None:
    channel_context, transport = context(answer(200))
    result = await WebhookChannel(channel_context).deliver(webhook(headers={"x": "a\r\nHost: evil.example"}))
    assert isinstance(result, Rejected)
    assert not transport.requests


async def test_tries_and_possible_duplicates_are_told() -> None:
    first = await sent_headers(webhook())
    again = await sent_headers(webhook(tries=2, recoveries=1))
    assert (first["tidings-attempt"], again["tidings-attempt"]) == ("1", "3")
    assert "tidings-possible-duplicate" not in first
    assert again["tidings-possible-duplicate"] == "true"


async def test_a_request_that_goes_out_again_says_so() -> None:
    channel_context, transport = context(answer(200))
    await WebhookChannel(channel_context).deliver(webhook())
    [request] = transport.requests
    assert request.when_repeated == {"tidings-possible-duplicate": "true"}


async def test_the_reference_library_verifies_the_signature() -> None:
    channel_context, transport = context(answer(200), webhook_signing_secret=SECRET)
    await WebhookChannel(replace(channel_context, now=utc_now)).deliver(webhook(content='{"text":"Grüße"}'))
    [request] = transport.requests
    assert Webhook(SECRET).verify(request.body, dict(request.headers)) == {"text": "Grüße"}


class TestSignatures:
    """Of users with secrets of their own."""

    @staticmethod
    async def signed(sender: Sender | None, *, operators: str = "", keys: tuple[str, ...] = (KEY,)) -> dict[str, str]:
        """Headers of a message of this user."""
        transport = ScriptedTransport(answer(200))
        channel_context = ChannelContext(
            settings=Settings(webhook_signing_secret=operators, secret_keys=keys),
            transport=transport,
            operators_transport=ScriptedTransport(answer(500)),
            senders=OneSender(sender),
            now=lambda: NOW,
        )
        assert isinstance(await WebhookChannel(channel_context).deliver(replace(webhook(), user_id=USER)), Accepted)
        [request] = transport.requests
        return dict(request.headers)

    @staticmethod
    def verifies(headers: dict[str, str], secret: str) -> bool:
        """Whether a receiver with this secret takes it, whatever the time is there."""
        key, timestamp = signing_key(secret), headers["webhook-timestamp"]
        expected = signature(key, message_id=headers["webhook-id"], timestamp=timestamp, body=b"{}")
        return expected in headers.get("webhook-signature", "").split(" ")

    async def test_a_users_own_secret_signs_instead_of_the_operators(self) -> None:
        headers = await self.signed(Sender(id=USER, email="a@b.example", secret=sealed(OWN)), operators=SECRET)
        assert self.verifies(headers, OWN)
        assert not self.verifies(headers, SECRET)

    @pytest.mark.parametrize("sender", [None, Sender(id=USER, email="a@b.example")])
    async def test_a_user_who_has_made_no_secret_signs_with_one_of_their_own(self, sender: Sender | None) -> None:
        headers = await self.signed(sender, operators=SECRET)
        assert self.verifies(headers, derived_secret(KEY, USER))
        assert not self.verifies(headers, SECRET)
        assert not self.verifies(headers, derived_secret(KEY, UUID(int=8)))
        assert not self.verifies(headers, derived_secret(KEY, None))

    async def test_the_secret_before_signs_too_until_its_time_is_over(self) -> None:
        for seconds, both in ((1, True), (0, False)):
            headers = await self.signed(
                Sender(
                    id=USER,
                    email="a@b.example",
                    secret=sealed(OWN),
                    previous_secret=sealed(BEFORE),
                    previous_until=NOW + timedelta(seconds=seconds),
                )
            )
            assert self.verifies(headers, OWN)
            assert self.verifies(headers, BEFORE) is both
            assert len(headers["webhook-signature"].split(" ")) == 1 + both

    async def test_the_operators_secret_is_never_the_one_before(self) -> None:
        sender = Sender(id=USER, email="a@b.example", secret=sealed(OWN), previous_until=NOW + timedelta(seconds=1))
        headers = await self.signed(sender, operators=SECRET)
        assert self.verifies(headers, OWN)
        assert len(headers["webhook-signature"].split(" ")) == 1

    async def test_the_reference_library_takes_either_of_two(self) -> None:
        transport = ScriptedTransport(answer(200))
        now = utc_now()
        channel_context = ChannelContext(
            settings=Settings(secret_keys=(KEY,)),
            transport=transport,
            operators_transport=transport,
            senders=OneSender(
                Sender(
                    id=USER,
                    email="a@b.example",
                    secret=sealed(OWN),
                    previous_secret=sealed(BEFORE),
                    previous_until=now + timedelta(hours=1),
                )
            ),
        )
        await WebhookChannel(channel_context).deliver(replace(webhook(), user_id=USER))
        [request] = transport.requests
        for secret in (OWN, BEFORE):
            assert Webhook(secret).verify(request.body, dict(request.headers)) == {}
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(request.body, dict(request.headers))

    async def test_a_secret_that_is_none_is_told_without_showing_it(self) -> None:
        channel_context, transport = context(answer(200))
        wrong = Sender(id=USER, email="a@b.example", secret=sealed("whsec_aHVudGVyMg=="))
        changed = replace(channel_context, settings=Settings(secret_keys=(KEY,)), senders=OneSender(wrong))
        result = await WebhookChannel(changed).deliver(replace(webhook(), user_id=USER))
        assert result == Retry(
            error="the user's signing secret must hold 24 to 64 bytes in base64, not 7", about=About.OURSELVES
        )
        assert not transport.requests

    @pytest.mark.parametrize("keys", [(), (new_key(),)])
    async def test_a_secret_that_cannot_be_read_waits_for_the_operator(self, keys: tuple[str, ...]) -> None:
        transport = ScriptedTransport(answer(200))
        channel_context = ChannelContext(
            settings=Settings(secret_keys=keys),
            transport=transport,
            operators_transport=transport,
            senders=OneSender(Sender(id=USER, email="a@b.example", secret=sealed(OWN))),
        )
        result = await WebhookChannel(channel_context).deliver(replace(webhook(), user_id=USER))
        assert isinstance(result, Retry)
        assert "SECRET_KEYS" in result.error
        assert not transport.requests


class TestUnsigned:
    """What nothing can sign."""

    @pytest.mark.parametrize("owner", [None, USER])
    async def test_waits_unless_the_operator_lets_it_go(self, owner: UUID | None) -> None:
        channel_context, transport = context(answer(200))
        message = replace(webhook(), user_id=owner)
        signing = replace(channel_context, settings=Settings())
        assert await WebhookChannel(signing).deliver(message) == Retry(
            error="nothing signs this webhook: set SECRET_KEYS, or WEBHOOK_UNSIGNED", about=About.OURSELVES
        )
        assert not transport.requests
        assert isinstance(await WebhookChannel(channel_context).deliver(message), Accepted)
        assert "webhook-signature" not in transport.requests[0].headers

    async def test_is_no_users_message_by_the_operators_secret(self) -> None:
        channel_context, transport = context(answer(200))
        keyless = replace(channel_context, settings=Settings(webhook_signing_secret=SECRET))
        assert isinstance(await WebhookChannel(keyless).deliver(replace(webhook(), user_id=USER)), Retry)
        assert isinstance(await WebhookChannel(keyless).deliver(webhook()), Accepted)
        assert len(transport.requests) == 1


async def test_the_operators_webhooks_are_signed_by_every_key_while_keys_are_exchanged() -> None:
    channel_context, transport = context(answer(200))
    newer = new_key()
    exchanging = replace(channel_context, settings=Settings(secret_keys=(newer, KEY)), now=utc_now)
    await WebhookChannel(exchanging).deliver(webhook())
    [request] = transport.requests
    for key in (newer, KEY):
        assert Webhook(derived_secret(key, None)).verify(request.body, dict(request.headers)) == {}


async def test_an_address_that_is_not_open_is_final() -> None:
    channel_context, _ = context(ForbiddenError("not open"))
    assert await WebhookChannel(channel_context).deliver(webhook()) == Rejected(error="not open")


async def test_a_destination_is_a_host_and_port() -> None:
    channel_context, _ = context(answer(200))
    assert WebhookChannel(channel_context).destination(webhook()) == "receiver.example:8443"


async def test_trouble_is_told() -> None:
    channel_context, transport = context(answer(503, b"busy", retry_after="30"))
    channel = WebhookChannel(channel_context)
    assert await channel.deliver(webhook()) == Retry(
        error="HTTP 503 Service Unavailable", delay=30, status_code=503, answer=b"busy", about=About.PACE
    )
    transport.result = TransportError("no connection: Connection refused")
    assert await channel.deliver(webhook()) == Retry(error="no connection: Connection refused", about=About.HOST)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 409, 413, 422, 451, 500, 600])
async def test_all_but_a_yes_and_gone_is_tried_again(status: int) -> None:
    channel_context, _ = context(answer(status, b"no"))
    result = await WebhookChannel(channel_context).deliver(delivery(channel="webhook", recipient=URL))
    assert result == Retry(error=describe(status), status_code=status, answer=b"no")


async def test_a_receiver_that_is_gone_ends_the_message() -> None:
    channel_context, _ = context(answer(410, b"bye"))
    result = await WebhookChannel(channel_context).deliver(delivery(channel="webhook", recipient=URL))
    assert result == Rejected(error="HTTP 410 Gone", status_code=410, answer=b"bye", holds=True)


@pytest.mark.parametrize(("url", "plainly"), [(URL, False), ("http://orders.internal/hook", True)])
async def test_plain_http_goes_through_the_transport_for_networks_of_ones_own(url: str, plainly: bool) -> None:
    plain = ScriptedTransport(answer(204))
    channel_context, transport = context(answer(204))
    channel = WebhookChannel(replace(channel_context, plain_transport=plain))
    await channel.deliver(delivery(channel="webhook", recipient=url))
    assert [len(plain.requests), len(transport.requests)] == [plainly, not plainly]
