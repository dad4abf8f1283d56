"""An API that a proxy shows elsewhere, and gateways that report to it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
import pytest
from cryptography.fernet import Fernet
from yarl import URL

from sql.gateways import Put
from sql.store import Store
from tests.integration.api.client import Api
from tidings.domain.gateway import CALLBACK_TOKEN, Gateway
from tidings.domain.ids import new_id
from tidings.security.secretbox import Purpose, SecretBox
from tidings.settings import Settings

PUBLIC_URL = "https://tidings.example.com/base"
TOKEN = "zTUGYnmEZ1vqh0hWz3nNpFhCCwvSQmXk"

MakeGateway = Callable[..., Awaitable[Gateway]]


async def post(
    api: Api, path: str, body: bytes = b"", headers: dict[str, str] | None = None, method: str = "POST"
) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, api.url.join(URL(path, encoded=True)), data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.text()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings, secret_keys=(Fernet.generate_key().decode(),), public_url=PUBLIC_URL, sms_gateways=CONFIGURED
    )


CONFIGURED = f"""
[[gateway]]
name = "configured"
preset = "plain"
base_url = "http://127.0.0.1:9/"
credentials = {{ receipt_token = "{TOKEN}c" }}
"""


@pytest.fixture
def make_gateway(store: Store, settings: Settings) -> MakeGateway:
    """Keeps a gateway whose URL ends with `TOKEN`, or with another one."""

    async def make(
        preset: str,
        *,
        name: str = "",
        user_id: UUID | None = None,
        token: str = TOKEN,
        credentials: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> Gateway:
        gateway_id = new_id()
        said = msgspec.json.encode({CALLBACK_TOKEN: token, **(credentials or {})}).decode()
        sealed = SecretBox(settings.secret_keys).seal(said, Purpose.GATEWAY, gateway_id)
        gateway = Gateway(
            **{
                "id": gateway_id,
                "user_id": user_id,
                "name": name or preset,
                "preset": preset,
                "base_url": "https://example.com",
                "credentials": sealed,
                **changes,
            }
        )
        put, kept = await store.gateways.make(gateway)
        assert put is Put.KEPT
        return kept

    return make
