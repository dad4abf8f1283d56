"""Whose secret signs a webhook: a stranger's must never verify as the operator's, and none goes out unsigned."""

import asyncio
from base64 import b64encode

import msgspec
import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from api.app import create_app
from sql.store import Store
from tests.integration.api.accounts.people import Person, join, operator
from tests.integration.api.client import Api
from tests.integration.channels.receivers import web_receiver
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until
from tidings.domain.states import Status
from tidings.settings import Settings

OPERATORS = f"whsec_{b64encode(b'operator' * 4).decode()}"
FORGED = '{"type": "invoice.paid"}'

Received = list[tuple[bytes, dict[str, str]]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As it is shipped, with a secret of the operator's."""
    return msgspec.structs.replace(settings, webhook_signing_secret=OPERATORS, webhook_unsigned=False)


async def delivered(store: Store, settings: Settings, *senders: Person) -> Received:
    """What a receiver gets of each."""
    received: Received = []

    async def receive(request: web.Request) -> web.Response:
        received.append((await request.read(), dict(request.headers)))
        return web.Response()

    async with web_receiver(receive) as url, consuming(settings, Gateway()) as consumer:
        for sender in senders:
            message = {"channel": "webhook", "recipient": url, "content": FORGED}
            posted = await sender.post("/api/v1/messages", message)
            assert posted.status == 201, posted.body
            await hand_over(store, consumer)
            await until(store, posted.body["id"], Status.SENT)
    return received


def verifies(secret: str, request: tuple[bytes, dict[str, str]]) -> bool:
    try:
        Webhook(secret).verify(request[0], request[1])
    except WebhookVerificationError:
        return False
    return True


async def test_a_strangers_forgery_does_not_verify_as_the_operators(api: Api, store: Store, settings: Settings) -> None:
    mallory, ada = await asyncio.gather(join(api, "mallory@example.com"), join(api, "ada@example.com"))
    forged, another, genuine = await delivered(store, settings, mallory, ada, operator(api))
    assert not verifies(OPERATORS, forged)
    assert verifies(OPERATORS, genuine)
    # Signed all the same, by a secret that differs from account to account.
    signatures = {headers["webhook-signature"] for _, headers in (forged, another, genuine)}
    assert len(signatures) == 3
    assert all(signature.startswith("v1,") for signature in signatures)


async def test_a_first_secret_of_ones_own_does_not_bring_in_the_operators(
    api: Api, store: Store, settings: Settings
) -> None:
    ada = await join(api)
    first = (await ada.post("/api/v1/me/webhook-secret/rotate")).body["secret"]
    [request] = await delivered(store, settings, ada)
    assert verifies(first, request)
    assert not verifies(OPERATORS, request)
    second = (await ada.post("/api/v1/me/webhook-secret/rotate")).body["secret"]
    [request] = await delivered(store, settings, ada)
    assert verifies(first, request)
    assert verifies(second, request)


async def test_what_nothing_can_sign_is_not_accepted(settings: Settings) -> None:
    keyless = msgspec.structs.replace(settings, secret_keys=(), webhook_signing_secret="")
    message = {"channel": "webhook", "recipient": "https://example.com/", "content": FORGED}
    async with Api.serving(create_app(keyless)) as api:
        refused = await operator(api).post("/api/v1/messages", message)
        assert (refused.status, refused.faults) == (422, [(None, "channel")])
    asked_for = msgspec.structs.replace(keyless, webhook_unsigned=True)
    async with Api.serving(create_app(asked_for)) as api:
        assert (await operator(api).post("/api/v1/messages", message)).status == 201
