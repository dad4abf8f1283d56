"""Recipients and headers that are secrets: sealed in Postgres, never shown. Addresses that are closed: refused."""

from uuid import UUID

import msgspec
import pytest
from cryptography.fernet import Fernet

from api.app import create_app
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, offers
from tests.integration.api.client import Api
from tidings.channels.installed import channel_names, recipients
from tidings.security.sealed_headers import unseal_headers
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings

needs_apprise = pytest.mark.skipif("apprise" not in channel_names(), reason="the package apprise is not installed")

URL = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


@needs_apprise
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


@needs_apprise
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


HEADERS = {"Authorization": "Bearer hunter2", "X-Shop": "4"}
HOOK = {"channel": "webhook", "recipient": "https://example.com/", "content": "{}", "headers": HEADERS}
SHOWN = {"Authorization": "…", "X-Shop": "4"}


@pytest.mark.parametrize("keys", [(), (Fernet.generate_key().decode(),)])
async def test_secret_headers_are_not_shown_and_sealed_where_there_is_a_key(
    store: Store, settings: Settings, keys: tuple[str, ...]
) -> None:
    async with Api.serving(create_app(msgspec.structs.replace(settings, secret_keys=keys))) as api:
        accepted = await api.accept(**HOOK)
        [listed] = (await api.get("/api/v1/messages")).body["messages"]
        shown = (await api.get(f"/api/v1/messages/{accepted['id']}")).body
    assert accepted["headers"] == listed["headers"] == shown["headers"] == SHOWN
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1)
    [delivery] = await store.batches.take(batch.id, consumer="consumer")
    assert delivery.headers is not None
    assert ("hunter2" in delivery.headers["Authorization"]) == (not keys)
    assert unseal_headers(delivery.headers, delivery.id, SecretBox(keys)) == HEADERS


async def test_what_is_shown_in_place_of_a_secret_is_not_taken_for_it(api: Api) -> None:
    refused = await api.post("/api/v1/messages", {**HOOK, "headers": SHOWN})
    assert (refused.status, refused.faults) == (422, [(None, "headers")])


@pytest.mark.parametrize("url", ["https://example.com:22/", "https://2130706433/", "http://93.184.215.14/"])
async def test_an_address_that_is_not_open_is_told_at_the_door(api: Api, url: str) -> None:
    refused = await api.post("/api/v1/messages", {**HOOK, "recipient": url})
    assert (refused.status, refused.faults) == (422, [(None, "recipient")])
