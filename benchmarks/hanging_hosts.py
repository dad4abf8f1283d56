"""Figure 10, second half: 1,000 good hosts beside 1,000 that accept each request and never answer it.

Channel `webhook`, five messages for each host, mixed in the table and all due when the queue is started; the default
settings, two consumers. The good hosts' rate and lateness are taken from the start to the arrival of their last. The
reference is the same without the hosts that hang. Meanwhile a text message of priority `high` is put into a queue of
its own every 100 ms, for ten seconds at least, while all that can hang does; each one's time to its arrival is taken.

What would make it lie: the hosts are addresses of the loopback with one process behind, so connecting costs no time on
the way; and none of them has been sent to before, neither alone nor beside the others.
"""

import asyncio
import time
from typing import Final

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.gateway import Hosts
from benchmarks.rig.machine import Machine
from benchmarks.rig.system import System, system

MILLI: Final = 1e3
EACH: Final = 5
"""Messages for a host."""
URGENT: Final = "urgent"
FIRST_URGENT: Final = 1_000_000
"""Numbers of the `high` messages begin here."""
EVERY_SECONDS: Final = 0.1
WITHIN_SECONDS: Final = 150.0


async def measure(current: Round) -> Numbers:
    hosts = current.pick(1_000, 30)
    return {
        f"good hosts, {name}: {number}": value
        for name, bad in current.pick({"alone": 0, "as many hang": hosts}, {"as many hang": hosts}).items()
        for number, value in (await _run(current, good=hosts, bad=bad)).items()
    }


async def _run(current: Round, *, good: int, bad: int) -> Numbers:
    machine = current.machine
    async with Hosts.running(machine.folder) as hosts, system(machine) as running:
        recipients = [hosts.host_url(number, "answers/orders") for number in range(good)]
        hanging = [hosts.host_url(good + number, "hangs/orders") for number in range(bad)]
        if bad:
            recipients = [url for pair in zip(recipients, hanging, strict=True) for url in pair]
        await running.store.queues.put(URGENT, active=True, interval_seconds=0, batch_size=None)
        await asyncio.gather(running.start_consumers(current.pick(2, 1)), running.start_producer())
        await running.warm_up()
        await hosts.remember()
        await machine.gateway.remember()
        await running.hold()
        await running.database.put_waiting(EACH * len(recipients), channel="webhook", recipients=recipients)
        await running.database.run("checkpoint")
        began = await running.release()
        urgent = asyncio.create_task(_urgent(running, seconds=current.pick(10.0, 0.3)))
        await hosts.received(EACH * good, within=WITHIN_SECONDS, ports=slice(1))
        late = sorted(at - began for at in (await hosts.arrivals_at("answers")).values())
        waits = await _waits(machine, await urgent)
        for consumer in running.consumers:  # what hangs needs no grace
            consumer.ps.kill()
    return {
        "messages a second (messages/s)": EACH * good / late[-1],
        "99th percentile of lateness (ms)": late[int(len(late) * 0.99)] * MILLI,
        "`high` in another queue, median (ms)": waits[len(waits) // 2] * MILLI,
        "`high` in another queue, slowest (ms)": waits[-1] * MILLI,
    }


async def _urgent(running: System, *, seconds: float) -> dict[int, float]:
    """Puts in one message after the other; returns when, by number."""
    put: dict[int, float] = {}
    while len(put) * EVERY_SECONDS < seconds:
        number = FIRST_URGENT + len(put)
        put[number] = time.time()
        await running.database.run(
            "put_one", number=number, queue=URGENT, channel="sms", recipient="+4915112345678", priority=0
        )
        await asyncio.sleep(EVERY_SECONDS)
    return put


async def _waits(machine: Machine, put: dict[int, float]) -> list[float]:
    """Seconds from put in to arrived, the shortest first."""
    await machine.gateway.received(len(put), within=WITHIN_SECONDS, ports=slice(1))
    arrivals = await machine.gateway.arrivals()
    return sorted(arrivals[number] - at for number, at in put.items())
