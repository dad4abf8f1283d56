"""Figure 8: Redis commands and Postgres statements for a delivered message, at 1, 4, 16 and 32 consumers.

Each message leaves a record in Redis, under its own id. The embedded Valkey knows MSETEX, which writes any number of
them in one command; on an older Redis each is a command of its own, and with PROVIDER_RECORDS two.

Counted from the start of the queue until the last outcome is on record, with everything that all processes say
meanwhile: offers of slots, polls, heartbeats, renewals. A command inside of a Redis script counts as one. Nothing is
timed here, because the log that statements are counted by slows Postgres down.

What would make it lie: polls go by time, not by message, so a slower machine has more of them to a message; and many
consumers share the same 20,000 messages, so each one's batches are fewer.
"""

import asyncio
from collections import Counter

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.machine import Machine
from benchmarks.rig.meters import PostgresMeter, RedisMeter
from benchmarks.rig.system import system

LOG_SECONDS = 0.3
"""Until what Postgres logged has come through the pipe."""


async def count(machine: Machine, *, messages: int, consumers: int) -> tuple[Counter[str], Counter[str]]:
    """Redis commands and Postgres statements of one delivery."""
    redis = RedisMeter(machine.redis)
    async with system(machine) as running:
        postgres = PostgresMeter(running.database.uri, machine.postgres_log)
        await postgres.start()
        await asyncio.gather(running.start_consumers(consumers), running.start_producer())
        await running.warm_up()
        await running.hold()
        await running.database.put_waiting(messages)
        postgres.mark()
        await redis.start()
        await running.release()
        await machine.gateway.received(messages, within=120)
        commands = await redis.commands()
        await running.settled()
        await asyncio.sleep(LOG_SECONDS)
        return commands, postgres.statements()


async def measure(current: Round) -> Numbers:
    messages = current.pick(20_000, 1_000)
    numbers = {}
    for consumers in current.pick((1, 4, 16, 32), (1,)):
        commands, statements = await count(current.machine, messages=messages, consumers=consumers)
        numbers[f"{consumers} consumers: Redis (commands/message)"] = commands.total() / messages
        numbers[f"{consumers} consumers: Postgres (statements/message)"] = statements.total() / messages
        for kind, counted in (("Redis", commands), ("Postgres", statements)):
            for name, calls in counted.most_common(current.pick(6, 2)):
                numbers[f"{consumers} consumers: {kind}: `{name}` (per message)"] = calls / messages
    return numbers
