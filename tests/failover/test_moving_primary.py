"""A primary that is replaced without its connections noticing: they are left, held ones too."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.eventually import eventually
from tests.failover.valkey import valkey
from tidings.redis import pool as pool_module
from tidings.redis.pool import Pool
from tidings.redis.primary import Address


class Told:
    """Where the primary is, as a test says; None: nobody knows."""

    may_move_unseen = True

    def __init__(self, address: Address) -> None:
        self.address: Address | None = address

    async def find(self) -> Address:
        if self.address is None:
            raise RedisConnectionError("nobody knows")
        return self.address


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "ASK_AGAIN_SECONDS", 0.05)


async def test_a_primary_that_goes_on_unseen_is_left(tmp_path: Path) -> None:
    async with valkey(tmp_path) as old, valkey(tmp_path) as new:
        told = Told(Address(*old.address))
        async with Redis.from_pool(Pool(primary=told)) as redis, redis.pubsub() as held:
            await held.subscribe("any")
            await redis.set("key", "old")
            told.address = Address(*new.address)

            async def moved() -> bool:
                with suppress(RedisConnectionError):  # that is the command on its way to the old one
                    await redis.set("key", "new")
                return bool(await new.client.get("key") == b"new")

            await eventually(moved)
            with pytest.raises(RedisConnectionError, match="another server"):
                await held.ping()
            await held.ping()
            assert await new.client.publish("any", "word") == 1


async def test_while_nobody_knows_its_connections_go_on(tmp_path: Path) -> None:
    async with valkey(tmp_path) as server:
        told = Told(Address(*server.address))
        async with Redis.from_pool(Pool(primary=told)) as redis:
            await redis.set("key", 1)
            told.address = None
            for number in range(2, 5):
                await asyncio.sleep(0.06)  # so that it is asked again
                await redis.set("key", number)
            assert await server.client.get("key") == b"4"
            # One that has to be made is not.
            await redis.connection_pool.disconnect()
            with pytest.raises(RedisConnectionError, match="nobody knows"):
                await redis.set("key", 5)
