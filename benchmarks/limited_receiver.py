"""Figure 16: messages to a receiver that takes five a second, and answers 429 with `Retry-After: 1` to the rest.

Channel `webhook`, 1,500 messages to one host, all due when the queue is started; the default settings, with one
consumer and with two. The receiver's allowance is refilled evenly, and holds a second's worth, as at the start. The
share is what it took of what it allowed, from the start to the arrival of the last message, or over `WITHIN_SECONDS`
where they do not all arrive in that time.

What would make it lie: the pace has to be learnt, and that is in the share; of fewer messages it would be more of it.
"""

import asyncio
from typing import Final

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.gateway import Hosts
from benchmarks.rig.hosts import PER_SECOND
from benchmarks.rig.system import system

WITHIN_SECONDS: Final = 400.0


async def measure(current: Round) -> Numbers:
    return {
        f"{named}: {name}": value
        for consumers, named in current.pick(((1, "1 consumer"), (2, "2 consumers")), ((1, "1 consumer"),))
        for name, value in (await _run(current, consumers)).items()
    }


async def _run(current: Round, consumers: int) -> Numbers:
    machine = current.machine
    messages, within = current.pick((1_500, WITHIN_SECONDS), (10, 2.0))
    async with Hosts.running(machine.folder) as hosts, system(machine) as running:
        await asyncio.gather(running.start_consumers(consumers), running.start_producer())
        await running.warm_up()
        await running.hold()
        await running.database.put_waiting(
            messages, channel="webhook", recipients=[hosts.host_url(0, "limited/orders")]
        )
        began = await running.release()
        try:
            ended = await hosts.received(messages, within=within, ports=slice(1))
        except TimeoutError:
            ended = began + within
        counted = await hosts.counted()
        await asyncio.sleep(1)  # what arrived is on record by then
        exhausted = await running.database.run("count_by_status", status="cancelled")
        tries = await running.database.run("most_tries")
    taken, refused = counted["answers"].count, counted["limited"].count
    return {
        "taken of what is allowed (%)": taken / (PER_SECOND * (1 + ended - began)) * 100,
        "answered 429 (%)": refused / (taken + refused) * 100,
        "exhausted (messages)": exhausted,
        "most tries of a message (tries)": tries,
    }
