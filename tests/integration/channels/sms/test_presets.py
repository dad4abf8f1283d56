"""tidings/channels/sms/presets: each against a server that answers as its provider does."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from tests.integration.channels.sms import providers
from tests.integration.channels.sms.providers import GOOD, HANDLERS, INVALID, NO_CREDIT, TOO_FAST, USERS, Provider
from tests.unit.channels.doubles import MESSAGE_ID, delivery
from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.http.client import HttpClient
from tidings.channels.sms.gateway_client import GatewayClient
from tidings.channels.sms.preset import presets
from tidings.domain.gateway import Gateway
from tidings.settings import Settings

pytestmark = pytest.mark.parametrize("name", presets())

IDS = {
    "twilio": "SM1", "vonage": "0A1", "sinch": "01FC66621XXXXX119Z8PMV1QPQ", "plivo": "db3ce55a", "telnyx": "40385f64",
    "messagebird": "e8077d803532c0b5937c639b60216938", "infobip": str(MESSAGE_ID), "seven": "77229135982",
    "android_sms_gateway": str(MESSAGE_ID), "jasmin": "07033084-5cfd-4812-90a4-e4d24ffb6e3d", "plain": "67f2f8a8",
}  # fmt: skip
CALLBACK = "https://tidings.example.com/receipts/1/t"


def now() -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC)


@pytest_asyncio.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient(Settings())
    yield client
    await client.close()


@pytest_asyncio.fixture
async def provider(name: str) -> AsyncIterator[Provider]:
    async with Provider().serving(HANDLERS[name]) as provider:
        yield provider


def client_of(name: str, url: str, secret: str = "right") -> GatewayClient:
    preset = presets()[name]
    names = preset.credentials or preset.optional
    secrets = names[-1:]
    credentials = {each: secret if each in secrets else "AC1" for each in names}
    assert all(each in secrets or each in USERS for each in names)
    gateway = Gateway(id=UUID(int=1), name=name, base_url=url, senders=("+4930123456",))
    return GatewayClient(gateway, preset, credentials, where="here", callback=CALLBACK)


async def sent(name: str, provider: Provider, http: HttpClient, secret: str = "right", **changes: Any) -> Result:
    message = delivery(**{"recipient": GOOD, "content": "Grüße", **changes})
    return await client_of(name, provider.url, secret).send(message, http, now)


async def test_a_message_is_taken_under_the_providers_id(name: str, provider: Provider, http: HttpClient) -> None:
    result = await sent(name, provider, http)
    assert isinstance(result, Accepted)
    assert result.provider_message_id == IDS[name]


async def test_what_is_sent(name: str, provider: Provider, http: HttpClient) -> None:
    await sent(name, provider, http)
    text = str(provider.requests)
    assert GOOD.removeprefix("+") in text
    assert "Grüße" in text
    if name != "plain":
        assert "4930123456" in text or name == "android_sms_gateway"
    assert (CALLBACK in text) == (name not in {"plain", "seven", "android_sms_gateway"})


async def test_a_text_beyond_gsm_says_so_where_it_must(name: str, provider: Provider, http: HttpClient) -> None:
    assert isinstance(await sent(name, provider, http, content="שלום"), Accepted)
    [request] = provider.requests
    marks = {"vonage": ("type", "unicode"), "messagebird": ("datacoding", "unicode"), "seven": ("unicode", 1)}
    if name == "jasmin":
        assert (request["coding"], request["hex-content"]) == ("8", "05E905DC05D505DD")
        assert "content" not in request
    elif name in marks:
        field, value = marks[name]
        assert request[field] == value
    else:
        assert "שלום" in str(request)


async def test_a_number_that_is_wrong_costs_its_message_alone(name: str, provider: Provider, http: HttpClient) -> None:
    result = await sent(name, provider, http, recipient=INVALID)
    assert isinstance(result, Rejected)
    assert result.about in {About.MESSAGE, About.ENDPOINT}
    assert not result.holds


@pytest.mark.parametrize(("secret", "recipient"), [("wrong", GOOD), ("right", NO_CREDIT)])
async def test_a_wrong_key_and_no_credit_hold_the_gateway(
    name: str, secret: str, recipient: str, provider: Provider, http: HttpClient
) -> None:
    result = await sent(name, provider, http, secret, recipient=recipient)
    assert isinstance(result, Retry)
    assert result.about is About.ACCOUNT
    assert result.error.endswith("see here")
    assert "wrong" not in result.error


async def test_too_many_slow_it_down(name: str, provider: Provider, http: HttpClient) -> None:
    result = await sent(name, provider, http, recipient=TOO_FAST)
    assert isinstance(result, Retry)
    assert result.about is About.PACE


async def test_the_same_id_twice_is_one_message(name: str, provider: Provider, http: HttpClient) -> None:
    await sent(name, provider, http)
    assert isinstance(await sent(name, provider, http), Accepted)


async def test_there_is_a_server_for_it(name: str) -> None:
    assert name in HANDLERS
    assert providers.__doc__ is not None
