"""The measurement behind figures 1 to 3: due rows in Postgres, and how fast and at what cost the receiver has them.

Everything is running, warm and idle, its queue stopped, when the rows are put in; the clock starts when the queue is
started, and ends at the receiver's last arrival. The CPU time also covers the recording of the outcomes.
"""

import asyncio
from typing import Final

import msgspec

from benchmarks.rig.figure import Round
from benchmarks.rig.machine import Machine
from benchmarks.rig.system import CpuTimes, system

MESSAGES: Final = 20_000
QUICK: Final = 1_000
WITHIN_SECONDS: Final = 120.0


class Delivered(msgspec.Struct, frozen=True):
    """One delivery of many messages."""

    consumers: int
    messages: int
    seconds: float
    cpu: CpuTimes

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


async def deliver(machine: Machine, *, messages: int, consumers: int) -> Delivered:
    """Delivers so many messages through so many consumers."""
    async with system(machine) as running:
        await asyncio.gather(running.start_consumers(consumers), running.start_producer())
        await running.warm_up()
        await running.hold()
        await running.database.put_waiting(messages)
        await running.database.run("checkpoint")
        before = running.cpu()
        began = await running.release()
        ended = await machine.gateway.received(messages, within=WITHIN_SECONDS)
        await running.settled()
        cpu = running.cpu() - before
    return Delivered(consumers, messages, ended - began, cpu)


async def deliveries(current: Round) -> list[Delivered]:
    """With each number of consumers."""
    return [
        await deliver(current.machine, messages=current.pick(MESSAGES, QUICK), consumers=consumers)
        for consumers in current.pick((1, 2, 3), (1,))
    ]


async def best(current: Round) -> Delivered:
    return max(await current.once(deliveries), key=lambda each: each.rate)
