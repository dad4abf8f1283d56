"""api/health/readiness.py and api/health/routes.py"""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from api.app import create_app
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.integration.api.client import Api
from tidings.redis import keys
from tidings.settings import Settings

ALL_WELL = {"postgres": "ok", "schema": "ok", "redis": "ok", "producer": "ok", "consumers": "ok", "claims": "ok"}


@pytest_asyncio.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    async with Redis.from_url(settings.redis_uri) as client:
        yield client


async def offer_slot(redis: Redis, *, age: float = 0.0) -> None:
    seconds, microseconds = await redis.time()
    await redis.zadd(keys.SLOTS, {"consumer/1": seconds + microseconds / 1e6 - age})


async def test_the_process_is_alive(api: Api) -> None:
    answer = await api.get("/health/live")
    assert (answer.status, answer.body) == (200, {"status": "alive"})


async def test_the_stores_answer(api: Api) -> None:
    answer = await api.get("/health")
    assert (answer.status, answer.body) == (200, {"message": "healthy", "status": "ok"})


async def test_ready_when_somebody_claims_and_somebody_has_room(api: Api, redis: Redis) -> None:
    await redis.set(keys.PRODUCER_HEARTBEAT, 1)
    await offer_slot(redis)
    answer = await api.get("/health/ready")
    assert (answer.status, answer.body) == (200, {"status": "ready", "checks": ALL_WELL})


async def test_what_is_missing_is_named(api: Api, redis: Redis) -> None:
    answer = await api.get("/health/ready")
    missing = {"producer": "none is alive", "consumers": "none is alive"}
    assert (answer.status, answer.body) == (503, {"status": "unavailable", "checks": {**ALL_WELL, **missing}})
    await offer_slot(redis)
    assert (await api.get("/health/ready")).body["checks"] == {**ALL_WELL, "producer": "none is alive"}


async def test_an_old_offer_is_a_dead_consumers(api: Api, redis: Redis) -> None:
    await redis.set(keys.PRODUCER_HEARTBEAT, 1)
    await offer_slot(redis, age=keys.OFFER_LIFE_SECONDS + 1)
    assert (await api.get("/health/ready")).body["checks"] == {**ALL_WELL, "consumers": "none is alive"}


async def test_a_consumer_without_room_is_alive_as_long_as_it_renews_its_leases(
    api: Api, redis: Redis, store: Store
) -> None:
    await redis.set(keys.PRODUCER_HEARTBEAT, 1)
    await keep(store)
    (batch,) = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1)
    # Claimed, but nobody has started it.
    assert (await api.get("/health/ready")).status == 503
    await store.batches.take(batch.id, consumer="consumer")
    assert (await api.get("/health/ready")).status == 200


async def test_without_redis_messages_are_taken_and_health_says_so(settings: Settings) -> None:
    away = msgspec.structs.replace(settings, redis_uri="unix:///nowhere/redis.sock")
    async with Api.serving(create_app(away)) as api:
        await api.accept()
        health = await api.get("/health")
        assert (health.status, health.body["status"]) == (503, "unavailable")
        assert health.body["message"] == "unhealthy: redis does not answer"
        ready = await api.get("/health/ready")
        assert ready.status == 503
        assert ready.body["checks"] == {
            **ALL_WELL,
            "redis": "does not answer",
            "producer": "unknown",
            "consumers": "unknown",
        }
        assert (await api.get("/health/live")).status == 200


async def test_a_newer_schema_is_ready_where_it_allows_this_program(
    api: Api, redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.migrate.expected_version", lambda: 1)
    assert (await api.get("/health/ready")).body["checks"]["schema"] == "ok"
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE schema_migrations SET oldest = 2 WHERE version = 2")
    checks = (await api.get("/health/ready")).body["checks"]
    assert checks["postgres"] == "ok"
    assert "too old" in checks["schema"]
