"""Figure 15: what one dead path costs the other messages to its host.

Channel `webhook`, one host of one user: 4,000 messages to `/answers/ok`, and mixed with them one for every ten of them
to a path that is answered with 503, or not at all. All are due when the queue is started; the default settings, two
consumers. The time is that from the start to the arrival of the last message to `/answers/ok`; the reference is the
same without the dead path.

What would make it lie: the receiver answers at once, so alone the messages take the work that they are and nothing
else; the work on those to the dead path, a tenth of all, is in the ratio.
"""

import asyncio
from typing import Final

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.gateway import Hosts
from benchmarks.rig.system import system

MILLI: Final = 1e3
SHARE: Final = 10
"""To so many messages that are answered comes one that is not."""
WITHIN_SECONDS: Final = 150.0
DEAD: Final = {"none": None, "says 503": "refuses/dead", "hangs": "hangs/dead"}


async def measure(current: Round) -> Numbers:
    numbers: dict[str, float] = {}
    for name, path in DEAD.items():
        if path is None and current.quick:
            continue
        numbers |= {f"dead path: {name}, {what}": value for what, value in (await _run(current, path)).items()}
    return numbers


async def _run(current: Round, dead: str | None) -> Numbers:
    machine = current.machine
    good = current.pick(4_000, 200)
    async with Hosts.running(machine.folder) as hosts, system(machine) as running:
        recipients = [hosts.host_url(0, "answers/ok")] * SHARE
        if dead is not None:
            recipients.insert(0, hosts.host_url(0, dead))
        await asyncio.gather(running.start_consumers(current.pick(2, 1)), running.start_producer())
        await running.warm_up()
        await hosts.remember()
        await running.hold()
        await running.database.put_waiting(good * len(recipients) // SHARE, channel="webhook", recipients=recipients)
        await running.database.run("checkpoint")
        began = await running.release()
        await hosts.received(good, within=WITHIN_SECONDS, ports=slice(1))
        late = sorted(at - began for at in (await hosts.arrivals_at("answers")).values())
        for consumer in running.consumers:  # what hangs needs no grace
            consumer.ps.kill()
    return {
        "the others of its host (s)": late[-1],
        "the others of its host, median (ms)": late[len(late) // 2] * MILLI,
    }
