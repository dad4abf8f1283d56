"""Recipients that are secrets themselves: sealed in Postgres, never shown."""

from uuid import UUID

import msgspec
import pytest
from cryptography.fernet import Fernet

from api.app import create_app
from sql.store import Store
from tests.integration.api.client import Api
from tidings.channels.installed import channel_names, recipients
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings

pytestmark = pytest.mark.skipif("apprise" not in channel_names(), reason="the package apprise is not installed")

URL = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


async def test_an_apprise_url_is_sealed_and_not_shown(store: Store, settings: Settings) -> None:
    with_keys = msgspec.structs.replace(settings, secret_keys=(Fernet.generate_key().decode(),))
    async with Api.serving(create_app(with_keys)) as api:
        accepted = await api.accept(channel="apprise", recipient=URL)
        shown = (await api.get(f"/api/v1/messages/{accepted['id']}")).body
    assert accepted["recipient"] == shown["recipient"] == "slack://…"
    kept = await store.messages.get(UUID(accepted["id"]))
    assert kept is not None
    assert "T1JJ3T3L2" not in kept.recipient
    assert recipients("apprise").unseal(kept.recipient, kept.id, SecretBox(with_keys.secret_keys)) == URL


async def test_without_keys_or_for_a_closed_service_nothing_is_kept(store: Store, settings: Settings) -> None:
    bare = msgspec.structs.replace(settings, secret_keys=())
    async with Api.serving(create_app(bare)) as api:
        message = {"channel": "apprise", "recipient": URL, "content": "x"}
        refused = await api.post("/api/v1/messages", message)
        assert (refused.status, refused.faults) == (422, [(None, "channel")])
        local = await api.post("/api/v1/messages", {**message, "recipient": "syslog://"})
        assert (local.status, local.faults) == (422, [(None, "recipient")])
    async with store.database.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM messages") == 0
