"""Killing things in the middle of deliveries: everything arrives, duplicates are bounded by what was in flight."""

import asyncio

from redis.asyncio import Redis

from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tests.e2e.test_delivery import PHONE, all_arrived, count_by_status, settled
from tests.eventually import eventually

COUNT = 2000
IN_FLIGHT = 64


async def post_all(system: System, count: int = COUNT) -> None:
    for start in range(0, count, 500):
        messages = [
            {"channel": "sms", "recipient": PHONE, "content": str(number)} for number in range(start, start + 500)
        ]
        await system.call("POST", "/api/v1/messages/batch", {"messages": messages}, expect=201)


async def half_arrived(gateway: CountingGateway) -> None:
    async def look() -> bool:
        return len(gateway.received) >= COUNT // 4

    await eventually(look, within=30, every=0.001)


async def check_books(system: System, gateway: CountingGateway) -> None:
    await all_arrived(gateway, COUNT)
    await settled(system)
    assert len(gateway.received) == COUNT
    assert await count_by_status(system, "sent") == COUNT


async def test_sigkill_of_one_of_two_consumers(system: System, gateway: CountingGateway) -> None:
    gateway.delay = 0.02
    await asyncio.gather(system.start_api(), system.start_producer())
    doomed = await system.start_consumer("c1", IN_FLIGHT=str(IN_FLIGHT), IN_FLIGHT_PER_DESTINATION=str(IN_FLIGHT))
    await system.start_consumer("c2", IN_FLIGHT=str(IN_FLIGHT), IN_FLIGHT_PER_DESTINATION=str(IN_FLIGHT))
    await post_all(system)
    await half_arrived(gateway)
    await doomed.kill()
    await check_books(system, gateway)
    assert gateway.duplicates <= IN_FLIGHT


async def test_sigkill_of_the_producer_then_a_restart(system: System, gateway: CountingGateway) -> None:
    await system.start_api()
    producer = await system.start_producer()
    await asyncio.gather(system.start_consumer("c1"), system.start_consumer("c2"))
    await post_all(system)
    await half_arrived(gateway)
    await producer.kill()
    await system.start_producer()
    await check_books(system, gateway)
    assert gateway.duplicates == 0


async def test_flushall_in_the_middle(system: System, gateway: CountingGateway) -> None:
    await system.start_all()
    await post_all(system)
    await half_arrived(gateway)
    redis: Redis = Redis.from_url(system.settings.redis_uri)
    await redis.flushall()
    await redis.aclose()
    await check_books(system, gateway)
    assert gateway.duplicates == 0


async def test_sigterm_of_a_consumer_loses_and_repeats_nothing(system: System, gateway: CountingGateway) -> None:
    gateway.delay = 0.02
    await asyncio.gather(system.start_api(), system.start_producer())
    leaving = await system.start_consumer("c1")
    await system.start_consumer("c2")
    await post_all(system)
    await half_arrived(gateway)
    assert await leaving.stop() == 0
    await check_books(system, gateway)
    assert gateway.duplicates == 0
