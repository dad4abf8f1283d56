"""Figure 12: memory of a consumer with 1,000 deliveries in flight, and of Redis with 10⁶ messages waiting.

The consumer may have 1,000 in flight to one destination, which hangs; its resident memory is read when the receiver
holds 1,000 open requests. Redis is read (`used_memory`) empty, and with 10⁶ due messages in Postgres while a producer
and that same full consumer are at work, so that Redis holds as many batches as it ever does.

What would make it lie: resident memory counts the interpreter's shared pages too; and Redis' own count knows nothing of
fragmentation.
"""

import asyncio

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.meters import RedisMeter, resident_mb
from benchmarks.rig.patience import until
from benchmarks.rig.system import system

WITHIN_SECONDS = 60.0
FLOWING = 10
"""Times the messages in flight that are delivered before the gateway hangs."""
SETTLE_SECONDS = 2.0
WAITING_AT_ONCE = 200_000


async def measure(current: Round) -> Numbers:
    machine = current.machine
    in_flight = current.pick(1_000, 200)
    waiting = current.pick(1_000_000, 10_000)
    redis = RedisMeter(machine.redis)
    async with system(machine) as running:
        empty = await redis.used_mb()
        await running.start_consumers(
            1,
            IN_FLIGHT=str(in_flight),
            IN_FLIGHT_PER_DESTINATION=str(in_flight),
            DELIVERY_TIMEOUT="120",
            GRACE_SECONDS="120",
        )
        await running.start_producer()
        [consumer] = running.consumers
        await running.warm_up()
        idle = resident_mb(consumer.ps)
        await running.hold()
        for _ in range(0, waiting, WAITING_AT_ONCE):
            await running.database.put_waiting(min(waiting, WAITING_AT_ONCE))
        begun = (await machine.gateway.counts())[0].count
        await running.release()

        async def flows() -> bool:
            return (await machine.gateway.counts())[0].count >= begun + FLOWING * in_flight

        # A destination is given all of its concurrency while it answers.
        await until(flows, within=WITHIN_SECONDS)
        await machine.gateway.hang()

        async def full_up() -> bool:
            return (await machine.gateway.counts())[0].open >= in_flight

        await until(full_up, within=WITHIN_SECONDS)
        await asyncio.sleep(current.pick(SETTLE_SECONDS, 0.1))
        full = resident_mb(consumer.ps)
        used = await redis.used_mb()
        left = await running.database.run("count_by_status", status="pending")
        consumer.ps.kill()
    return {
        "consumer, idle (MB)": idle,
        f"consumer, {in_flight:,} in flight (MB)": full,
        "Redis, empty (MB)": empty,
        "Redis, above empty (MB)": used - empty,
        "waiting in Postgres meanwhile (messages)": left,
    }
