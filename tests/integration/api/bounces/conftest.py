"""The API with users, and an address that reports come for."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sql.store import Store
from tests.factories import keep
from tests.integration.api.accounts.people import OPERATORS_KEY
from tests.integration.api.client import Answer, Api
from tests.unit.api.bounces.samples import MESSAGE_ID
from tidings.security.secretbox import new_key
from tidings.settings import Settings

BOUNCES = "/api/v1/bounces"

Hand = Callable[..., Awaitable[Answer]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        api_key=OPERATORS_KEY,
        secret_key="signs tokens " * 4,
        secret_keys=(new_key(),),
        bounce_address="bounces@sender.example",
        public_url="https://mail.sender.example",
    )


@pytest.fixture
def hand(api: Api) -> Hand:
    """Hands over a report about a message, as a mail server's pipe does."""

    async def handed(raw: bytes, about: UUID, credential: str = OPERATORS_KEY, query: str = "") -> Answer:
        headers = {"Content-Type": "message/rfc822", "Authorization": f"Bearer {credential}"}
        body = raw.replace(str(MESSAGE_ID).encode(), str(about).encode())
        return await api.send("POST", f"{BOUNCES}{query}", headers=headers, body=body)

    return handed


async def keep_mail(store: Store, user_id: UUID | None, recipient: str = "ida@example.com", **changes: Any) -> UUID:
    [message_id] = await keep(store, user_id=user_id, channel="email", recipient=recipient, **changes)
    return message_id
