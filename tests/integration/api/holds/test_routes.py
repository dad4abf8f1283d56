"""api/holds/routes.py, and where else the API shows what is held."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from api.holds import routes
from producer.depths import DepthRecorder
from sql import holds
from sql.store import Store
from tests.factories import keep, new_hold
from tests.integration.api.accounts.people import join
from tests.integration.api.client import Api
from tidings.domain.ids import new_id
from tidings.domain.states import HeldReason
from tidings.domain.timestamps import utc_now
from tidings.redis import keys
from tidings.settings import Settings

PATH = "/api/v1/holds"


@pytest_asyncio.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    async with Redis.from_url(settings.redis_uri) as client:
        yield client


async def hold_messages(store: Store, reason: HeldReason, *, count: int, **changes: object) -> None:
    ids = await keep(store, count, due_at=utc_now() + timedelta(minutes=10), **changes)
    async with store.database.pool.acquire() as connection:
        statement = "UPDATE messages SET held_reason = $1, held_since = now() - interval '1 hour' WHERE id = ANY($2)"
        await connection.execute(statement, reason, ids)


async def test_users_see_and_release_their_own(api: Api, store: Store) -> None:
    ada, bob = await join(api, "ada@example.com"), await join(api, "bob@example.com")
    hers = new_hold(user_id=ada.id)
    everybodys = new_hold(channel="sms", endpoint="sms", reason=HeldReason.GATEWAY, since=utc_now())
    await store.holds.put([hers, everybodys])
    await hold_messages(store, HeldReason.ENDPOINT_DISABLED, count=3, user_id=ada.id, channel="webhook")
    await hold_messages(store, HeldReason.ENDPOINT_DISABLED, count=2, user_id=bob.id, channel="webhook")
    # What concerns everybody comes first.
    assert [hold.id for hold in await store.holds.list()] == [everybodys.id, hers.id]
    [shown] = (await ada.get(PATH)).body["holds"]
    assert (shown["endpoint"], shown["reason"], shown["last_error"]) == (
        "https://example.com/gone",
        "endpoint_disabled",
        "HTTP 410 Gone",
    )
    assert (await bob.get(PATH)).body == {"holds": []}
    for who, hold_id in ((bob, hers.id), (ada, everybodys.id), (ada, new_id()), (ada, "none")):
        refused = await who.post(f"{PATH}/{hold_id}/release")
        assert (refused.status, refused.body["detail"]) == (404, "there is no such hold")
    released = await ada.post(f"{PATH}/{hers.id}/release")
    assert (released.status, released.body["messages"], released.body["hold"]["id"]) == (200, 3, str(hers.id))
    assert (await ada.post(f"{PATH}/{hers.id}/release")).status == 404
    async with store.database.pool.acquire() as connection:
        soon = await connection.fetch("SELECT DISTINCT user_id FROM messages WHERE due_at < now() + interval '9 s'")
    assert [row["user_id"] for row in soon] == [ada.id]


async def test_many_messages_are_woken_in_parts(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "WOKEN_AT_ONCE", 2)
    monkeypatch.setattr(routes, "WOKEN_AT_ONCE", 2)
    hold = new_hold(channel="sms", endpoint="sms", reason=HeldReason.GATEWAY)
    await store.holds.put([hold])
    await hold_messages(store, HeldReason.GATEWAY, count=5, channel="sms")
    await hold_messages(store, HeldReason.RATE, count=1, channel="sms")
    assert (await api.post(f"{PATH}/{hold.id}/release")).body["messages"] == 5


async def test_what_is_held_shows_in_readiness_overview_and_metrics(api: Api, store: Store, redis: Redis) -> None:
    assert "held" not in (await api.get("/health/ready")).body
    assert (await api.get("/api/v1/overview")).body["held"] is None
    await hold_messages(store, HeldReason.GATEWAY, count=4, channel="sms")
    await hold_messages(store, HeldReason.RATE, count=2)
    recorder = DepthRecorder(store, redis)
    await recorder.record()
    assert 0 < await redis.ttl(keys.HELD) <= keys.HELD_LIFE_SECONDS
    ready = (await api.get("/health/ready")).body
    assert {held["reason"]: held["messages"] for held in ready["held"]} == {"gateway": 4, "rate": 2}
    assert all(3600 <= held["seconds"] < 3700 for held in ready["held"])
    assert ready["gateway"].startswith("held, 4 messages wait")
    hold = new_hold(channel="sms", endpoint="sms", reason=HeldReason.GATEWAY)
    await store.holds.put([hold])
    await recorder.record()
    ready = (await api.get("/health/ready")).body
    assert f"tidings holds release {hold.id}" in ready["gateway"]
    # The rest is delivered: it is no less ready for that.
    assert set(ready["checks"]) == {"postgres", "schema", "redis", "producer", "claims", "consumers"}
    await redis.set(keys.HELD, b'{"messages": [{"reason": "of another version"}]}')
    assert "held" not in (await api.get("/health/ready")).body
